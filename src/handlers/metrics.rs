//! For the operator's Prometheus.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, get, web};

use super::PRIVATE_CACHE;
use crate::app::AppState;
use crate::config::Config;
use crate::metrics;
use crate::problem::{Code, Problem};

/// <https://github.com/prometheus/OpenMetrics>
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Metrics for Prometheus
///
/// With `METRICS_ADDR` set, they are served there, to whoever can reach that address, and not here. Otherwise they are
/// served here to this machine alone: not to other addresses, and not through a proxy.
#[utoipa::path(
    tag = "Operation", operation_id = "getMetrics",
    responses(
        (status = 200, description = "Every metric, in the format of OpenMetrics.", content_type = "application/openmetrics-text", body = String),
        (status = 404, description = "not-found"),
    )
)]
#[get("/metrics")]
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    if state.config.metrics_addr.is_some() || !is_local(&request, &state.config) {
        return Err(Problem::new(Code::NotFound));
    }
    Ok(all(&state).await)
}

/// The same without a question: for the listener of `METRICS_ADDR`.
pub async fn show_to_all(state: web::Data<AppState>) -> HttpResponse {
    all(&state).await
}

async fn all(state: &AppState) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, PRIVATE_CACHE))
        .content_type(OPEN_METRICS)
        .body(metrics::scrape(state).await)
}

/// Whether somebody on this machine asks for themselves. A proxy on it has its address too, but passes on the name by
/// which the world knows the store, or says for whom it asks.
fn is_local(request: &HttpRequest, config: &Config) -> bool {
    let Some(peer) = request.peer_addr() else {
        return false;
    };
    let peer = peer.ip().to_canonical();
    let is_proxy = config.trusted_proxies.iter().any(|net| net.contains(&peer));
    let headers = request.headers();
    let is_forwarded = headers.keys().any(|name| {
        let name = name.as_str();
        name.starts_with("x-forwarded") || ["forwarded", "via", "x-real-ip"].contains(&name)
    });
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let host = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(host, _)| host);
    let is_local_name = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    peer.is_loopback() && is_local_name && !is_proxy && !is_forwarded
}
