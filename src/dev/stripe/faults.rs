//! Fault injection: what goes wrong with which requests, before or after they have taken effect.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    web::Bytes,
};

use super::error::ApiError;

/// A hanging request ends here at the latest; every client should have given up long before.
const LONGEST_HANG: Duration = Duration::from_secs(60);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// This status with Stripe's error body for it: 429 is rate limiting, 409 a key in use, 5xx an outage.
    Status(u16),
    /// No answer until the client gives up.
    Hang,
    /// The connection closes without an answer.
    Drop,
}

/// Something that goes wrong with the next requests of a kind.
#[derive(Clone, Debug)]
pub struct Fault {
    pattern: String,
    after_effect: bool,
    trouble: Trouble,
    times: u32,
}

impl Fault {
    /// The request fails and has no effect. `pattern` is as for [`matches`].
    pub fn before_effect(pattern: &str, trouble: Trouble) -> Self {
        Self {
            pattern: pattern.to_owned(),
            after_effect: false,
            trouble,
            times: 1,
        }
    }

    /// The request takes effect, and its answer is kept for its idempotency key, but the client does not see it.
    pub fn after_effect(pattern: &str, trouble: Trouble) -> Self {
        Self {
            after_effect: true,
            ..Self::before_effect(pattern, trouble)
        }
    }

    /// For the next `times` matching requests, instead of one.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// Faults that are still to come, in the order in which they were injected.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The trouble of this request, and whether it comes after the effect.
    pub(super) fn take(&mut self, method: &str, path: &str) -> Option<(Trouble, bool)> {
        self.0.retain(|fault| fault.times > 0);
        let fault = self
            .0
            .iter_mut()
            .find(|fault| matches(&fault.pattern, method, path))?;
        fault.times -= 1;
        Some((fault.trouble, fault.after_effect))
    }
}

/// Whether a request is of the kind `pattern`: a method and a path, such as `GET /v1/refunds/*`, where `*`
/// stands for any method or any one segment.
pub(super) fn matches(pattern: &str, method: &str, path: &str) -> bool {
    let (wanted_method, wanted_path) = pattern.split_once(' ').unwrap_or(("*", pattern));
    let (mut wanted, mut actual) = (wanted_path.split('/'), path.split('/'));
    let same = |wanted: &str, actual: &str| wanted == "*" || wanted == actual;
    same(wanted_method, method)
        && loop {
            match (wanted.next(), actual.next()) {
                (None, None) => break true,
                (Some(wanted), Some(actual)) if same(wanted, actual) => {}
                _ => break false,
            }
        }
}

/// Lets the trouble happen.
pub(super) async fn suffer(trouble: Trouble) -> HttpResponse {
    match trouble {
        Trouble::Status(status) => super::api::respond(ApiError::trouble(status).into()),
        Trouble::Hang => {
            tokio::time::sleep(LONGEST_HANG).await;
            HttpResponse::Ok().body(Broken)
        }
        Trouble::Drop => HttpResponse::Ok().body(Broken),
    }
}

/// A body that fails before its first byte, whereupon the server closes the connection with nothing sent.
struct Broken;

impl MessageBody for Broken {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        Poll::Ready(Some(Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "dropped by an injected fault",
        ))))
    }
}
