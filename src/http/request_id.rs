//! `X-Request-Id` and `traceparent`: taken from the caller when well-formed, made otherwise, and echoed on every answer.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderName;
use uuid::Uuid;

/// The header's name.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id under which the log knows a request: 1 to 64 letters, digits, `-`, `_` or `.`.
/// The caller's, or a new one.
pub fn request_id(request: &ServiceRequest) -> String {
    let given = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    match given {
        Some(id) if is_well_formed(id) => id.to_owned(),
        _ => Uuid::new_v4().to_string(),
    }
}

fn is_well_formed(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The header of W3C's Trace Context, version 00: <https://www.w3.org/TR/trace-context/#traceparent-header>.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The trace that a request belongs to.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The header's value.
    pub text: String,
    /// Whether the caller began it.
    pub is_given: bool,
}

impl Trace {
    /// The caller's, or a new one.
    pub fn of(request: &ServiceRequest) -> Self {
        let mut given = request.headers().get_all(TRACEPARENT);
        let only = given.next().filter(|_| given.next().is_none());
        match only.and_then(|value| value.to_str().ok()) {
            Some(trace) if is_trace(trace) => Self {
                text: trace.to_owned(),
                is_given: true,
            },
            _ => {
                let (trace, span) = (fastrand::u128(1..), fastrand::u64(1..));
                Self {
                    text: format!("00-{trace:032x}-{span:016x}-00"),
                    is_given: false,
                }
            }
        }
    }

    /// The part that names the whole trace.
    pub fn id(&self) -> &str {
        self.text.split('-').nth(1).unwrap_or_default()
    }
}

fn is_trace(text: &str) -> bool {
    let is_hex = |part: &str, len: usize| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        part.len() == len && part.bytes().all(hex)
    };
    let is_id = |part: &str, len| is_hex(part, len) && part.bytes().any(|b| b != b'0');
    let parts: Vec<_> = text.split('-').collect();
    matches!(parts.as_slice(), ["00", trace, span, flags]
        if is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2))
}
