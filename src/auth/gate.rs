//! Who first, what second.
//!
//! Actix runs the extractors of a handler side by side. Those of bodies and queries wait here for the verdict on who
//! sent them, so that a stranger gets 401 or 403 whatever the request holds. (An address that cannot exist is 404 at
//! once: it says nothing to anybody.)

use std::future::Future;

use actix_web::{HttpMessage, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, Shared};

use crate::problem::Problem;

type Verdict = Shared<LocalBoxFuture<'static, Result<(), Problem>>>;

/// Runs an authentication, which must not hold the request itself, and lets the extractors after it in the handler's signature wait for its verdict.
pub fn close<T: Clone + 'static>(
    request: &HttpRequest,
    authentication: impl Future<Output = Result<T, Problem>> + 'static,
) -> Shared<LocalBoxFuture<'static, Result<T, Problem>>> {
    let authentication = authentication.boxed_local().shared();
    let verdict: Verdict = authentication
        .clone()
        .map(|result| result.map(drop))
        .boxed_local()
        .shared();
    request.extensions_mut().insert(verdict);
    authentication
}

/// Waits for the verdict; passes at once where nobody is asked who they are.
///
/// # Errors
/// The refusal.
pub fn pass(request: &HttpRequest) -> impl Future<Output = Result<(), Problem>> + 'static {
    let verdict = request.extensions().get::<Verdict>().cloned();
    async move {
        match verdict {
            Some(verdict) => verdict.await,
            None => Ok(()),
        }
    }
}
