//! `Idempotency-Key` (IETF draft 07), where it has to be there.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use crate::auth::gate;
use crate::problem::{Code, Problem};

/// The longest that is accepted.
const MAX: usize = 255;

/// What makes a repetition of a request known as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let sent = request
            .headers()
            .get("idempotency-key")
            .and_then(|value| value.to_str().ok())
            .filter(|key| (1..=MAX).contains(&key.len()))
            .map(str::to_owned);
        let gate = gate::pass(request);
        async move {
            gate.await?;
            sent.map(Self)
                .ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired))
        }
        .boxed_local()
    }
}
