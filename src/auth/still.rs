//! Innermost middleware: whoever waited long is judged again before they are answered.

use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, ResponseError, web};

use super::extractors::known_caller;
use crate::app::AppState;
use crate::problem::{Code, Problem};

/// What is read in less time was asked for a moment ago by somebody who had the right to it.
pub const LONG: Duration = Duration::from_secs(1);

/// Tells nobody what they lost the right to while it was read: that takes several seconds where a lock is in the way,
/// or a network is cut and heals. A change looks at rights in its own transaction, or again after as long (`ticking.rs`).
///
/// # Errors
/// What the rest of the chain returns.
pub async fn may_still<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let begun = Instant::now();
    let response = next.call(request).await?;
    if begun.elapsed() >= LONG
        && response.request().method() == Method::GET
        && let Err(problem) = judge_again(response.request()).await
    {
        let refused = problem.error_response();
        return Ok(response.into_response(refused).map_into_right_body());
    }
    Ok(response.map_into_left_body())
}

async fn judge_again(request: &HttpRequest) -> Result<(), Problem> {
    let Some(caller) = known_caller(request).await? else {
        return Ok(());
    };
    let state = request.app_data::<web::Data<AppState>>();
    let state = state.ok_or_else(|| Problem::internal("no state"))?;
    let before = &caller.person;
    let now = state.cache.person(&before.row.clerk_user_id).await?;
    if now.may_all_that(before) {
        Ok(())
    } else {
        // The next time they are told why.
        Err(Problem::unavailable(Code::DatabaseUnavailable, 1))
    }
}
