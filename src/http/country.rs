//! The caller's country, as a proxy that the operator trusts has told it.

use actix_web::HttpRequest;

use crate::config::Config;

/// ISO 3166-1 alpha-2, from the configured header of a trusted proxy; `None` for everybody else, whatever they send.
pub fn of(request: &HttpRequest, config: &Config) -> Option<String> {
    let name = config.country_header.as_deref()?;
    if !config.trusts(request.peer_addr()?.ip().to_canonical()) {
        return None;
    }
    let mut values = request.headers().get_all(name);
    let country = values.next()?.to_str().ok()?.trim().to_ascii_uppercase();
    // Two headers: one of them is not the proxy's.
    let is_country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_country && values.next().is_none()).then_some(country)
}
