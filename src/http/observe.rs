//! Outermost middleware: gives each request its ids, and tells the log and the metrics what became of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::{Error, web};
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use super::request_id::{TRACEPARENT, Trace, X_REQUEST_ID, request_id};
use crate::app::AppState;
use crate::context::RequestContext;
use crate::problem::Problem;

/// What a request is counted and logged as whose caller left before it was answered: nginx' number for it.
const CALLER_LEFT: u16 = 499;

/// Every line that is logged meanwhile carries the ids; one line says what became of the request.
///
/// # Errors
/// What the rest of the chain returns.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let (id, trace) = (request_id(&request), Trace::of(&request));
    let id_header = HeaderValue::try_from(&id).map_err(Problem::internal)?;
    let trace_header = HeaderValue::try_from(&trace.text).map_err(Problem::internal)?;
    let context = RequestContext::new(id, trace.id().to_owned());

    let mut report = Report::of(&request, Arc::clone(&context));
    #[cfg(feature = "otel")]
    crate::telemetry::continue_trace(&report.span, &trace);
    let work = next.call(request).instrument(report.span.clone());
    let answered = context.around(work).await;
    report.status = match &answered {
        Ok(response) => response.status().as_u16(),
        Err(error) => error.as_response_error().status_code().as_u16(),
    };
    let mut response = answered?;
    report.route = response.request().match_pattern();
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id_header);
    headers.insert(TRACEPARENT, trace_header);
    Ok(response)
}

/// What is told of a request when this is dropped, which happens whatever becomes of it.
struct Report {
    state: Option<web::Data<AppState>>,
    context: Arc<RequestContext>,
    begun: Instant,
    method: &'static str,
    route: Option<String>,
    status: u16,
    /// For traces; the log has no use for it. Names: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.
    span: Span,
}

impl Report {
    fn of(request: &ServiceRequest, context: Arc<RequestContext>) -> Self {
        let method = known(request.method());
        let span = tracing::debug_span!(
            "request",
            otel.kind = "server",
            http.request.method = method,
            http.route = Empty,
            http.response.status_code = Empty,
        );
        Self {
            state: request.app_data::<web::Data<AppState>>().cloned(),
            context,
            begun: Instant::now(),
            method,
            route: None,
            status: CALLER_LEFT,
            span,
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let (duration, context) = (self.begun.elapsed(), &self.context);
        // Not the address: there is no end to those, and it says what people look at.
        let user_id = context.user_id().map(display);
        let route = self.route.take().unwrap_or_else(|| "none".to_owned());
        tracing::info!(
            request_id = context.request_id,
            trace_id = context.trace_id,
            method = self.method,
            route,
            status = self.status,
            duration_ms = milliseconds(duration),
            user_id,
            database_ms = milliseconds(context.database_time()),
            statements = context.statements(),
            "answered"
        );
        if !self.span.is_disabled() {
            #[cfg(feature = "otel")]
            crate::telemetry::rename(&self.span, format!("{} {route}", self.method));
            self.span.record("http.route", &route);
            self.span.record("http.response.status_code", self.status);
        }
        if let Some(state) = &self.state {
            let seconds = duration.as_secs_f64();
            state
                .metrics
                .request(self.method, route, self.status, seconds);
        }
    }
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

/// Callers may make up methods as well.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
