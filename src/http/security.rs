//! Headers that protect: what a browser must not do with an answer, and that nobody keeps what is not said to be kept.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};

use crate::app::AppState;
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

/// Middleware around everything that answers: adds what is not there yet.
pub async fn protect<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let config = request
        .app_data::<web::Data<AppState>>()
        .map(|state| &state.config);
    let public_url = config.map_or_else(String::new, |config| config.public_url.clone());
    let has_tls =
        public_url.starts_with("https://") || config.is_some_and(|config| config.tls.is_some());
    let is_docs = request.path() == "/docs" || request.path().starts_with("/docs/");
    let mut response = next.call(request).await?;
    let (policy, cache) = if is_docs {
        (format!("{DOCS_POLICY} {public_url}"), DOCS_CACHE)
    } else {
        (API_POLICY.to_owned(), PRIVATE_CACHE)
    };
    let mut add = |name: HeaderName, value: &str| {
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::try_from(value)
            && !headers.contains_key(&name)
        {
            headers.insert(name, value);
        }
    };
    add(header::CONTENT_SECURITY_POLICY, &policy);
    add(header::CACHE_CONTROL, cache);
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::REFERRER_POLICY, "no-referrer");
    // A page of another origin reads answers through CORS, which neither of the two stands in the way of.
    add(CROSS_ORIGIN_OPENER_POLICY, "same-origin");
    add(CROSS_ORIGIN_RESOURCE_POLICY, "same-origin");
    // Also behind a proxy that ends TLS. A browser ignores it on a plain connection.
    if has_tls {
        add(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    Ok(response)
}
