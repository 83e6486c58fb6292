//! Headers that protect: what a browser must not do with an answer, and that nobody keeps what is not said to be kept.

use std::net::SocketAddr;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::app::AppState;
use crate::config::Config;
use crate::handlers::PRIVATE_CACHE;

/// An answer of the API is nothing that a browser could show with anything in it.
const API_POLICY: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// What Swagger UI needs, beside calls to the API itself. It styles its elements in place.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; connect-src 'self'";
/// Swagger UI is the same until the program is another.
const DOCS_CACHE: &str = "public, max-age=300";
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// What every answer says, unless it says it in other words.
pub fn always() -> [(HeaderName, HeaderValue); 5] {
    let fixed = HeaderValue::from_static;
    [
        (header::CONTENT_SECURITY_POLICY, fixed(API_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
        (header::REFERRER_POLICY, fixed("no-referrer")),
        // A page of another origin reads answers through CORS, which neither of the two stands in the way of.
        (CROSS_ORIGIN_OPENER_POLICY, fixed("same-origin")),
        (CROSS_ORIGIN_RESOURCE_POLICY, fixed("same-origin")),
    ]
}

/// Middleware around everything that answers: adds what is not there yet.
pub async fn protect<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let state = request.app_data::<web::Data<AppState>>();
    let has_tls = state.is_some_and(|state| has_tls(&request, &state.config));
    let is_docs = request.path() == "/docs" || request.path().starts_with("/docs/");
    let docs_policy = state.filter(|_| is_docs).and_then(|state| {
        HeaderValue::try_from(format!("{DOCS_POLICY} {}", state.config.public_url)).ok()
    });
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value: HeaderValue| {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    };
    if let Some(policy) = docs_policy {
        add(header::CONTENT_SECURITY_POLICY, policy);
    }
    let cache = if is_docs { DOCS_CACHE } else { PRIVATE_CACHE };
    add(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    for (name, value) in always() {
        add(name, value);
    }
    if has_tls {
        let a_year = HeaderValue::from_static("max-age=31536000");
        add(header::STRICT_TRANSPORT_SECURITY, a_year);
    }
    Ok(response)
}

/// Whether the caller's connection has TLS: the program's own, or, as it says, that of a proxy which is trusted. No
/// other may be told to insist on it (RFC 6797, section 7.2).
fn has_tls(request: &ServiceRequest, config: &Config) -> bool {
    let is_trusted = |peer: SocketAddr| config.trusts(peer.ip().to_canonical());
    let scheme = request.headers().get("x-forwarded-proto");
    config.tls.is_some()
        || (scheme.is_some_and(|scheme| scheme == "https")
            && request.peer_addr().is_some_and(is_trusted))
}
