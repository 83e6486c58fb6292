//! `X-Request-Id` and `traceparent`: taken from the caller when well-formed, made otherwise, and echoed on every answer.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};
use tracing::Span;
use tracing_actix_web::RootSpanBuilder;
use uuid::Uuid;

/// The header's name.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id under which the log knows a request: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id that [`assign`] gave.
    pub fn of_request(request: &HttpRequest) -> String {
        request
            .extensions()
            .get::<Self>()
            .map(|id| id.0.clone())
            .unwrap_or_default()
    }

    fn of(request: &ServiceRequest) -> Self {
        let given = request
            .headers()
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        match given {
            Some(id) if is_well_formed(id) => Self(id.to_owned()),
            _ => Self(Uuid::new_v4().to_string()),
        }
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
struct Trace(String);

impl Trace {
    fn of(request: &ServiceRequest) -> Self {
        let mut given = request.headers().get_all(TRACEPARENT);
        let only = given.next().filter(|_| given.next().is_none());
        match only.and_then(|value| value.to_str().ok()) {
            Some(trace) if is_trace(trace) => Self(trace.to_owned()),
            _ => {
                let (trace, span) = (Uuid::new_v4().simple(), Uuid::new_v4().as_u64_pair().0);
                Self(format!("00-{trace}-{span:016x}-00"))
            }
        }
    }

    /// The part that names the whole trace.
    fn id(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
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

/// Outermost middleware: gives the request its id and its trace, and the answer the same ones.
pub async fn assign(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = RequestId::of(&request);
    let header = HeaderValue::try_from(&id.0).map_err(crate::problem::Problem::internal)?;
    request.extensions_mut().insert(id);
    let trace = Trace::of(&request);
    let traceparent = HeaderValue::try_from(&trace.0).map_err(crate::problem::Problem::internal)?;
    request.extensions_mut().insert(trace);
    let mut response = next.call(request).await?;
    response.headers_mut().insert(X_REQUEST_ID, header);
    response.headers_mut().insert(TRACEPARENT, traceparent);
    Ok(response)
}

/// The span of a request: route, method, status and request id; no query string, no header, no body.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request
            .extensions()
            .get::<RequestId>()
            .map(|id| id.0.clone())
            .unwrap_or_default();
        let trace = request.extensions().get::<Trace>().cloned();
        tracing::info_span!(
            "request",
            request_id = %id,
            trace_id = trace.as_ref().map(Trace::id),
            method = %request.method(),
            route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned()),
            status = tracing::field::Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("status", status.as_u16());
        span.in_scope(|| tracing::info!("answered"));
    }
}
