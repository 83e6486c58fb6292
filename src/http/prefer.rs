//! `Prefer: wait=<seconds>` (RFC 7240): how long the client would wait for an answer that is worth it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest that an answer is held back, below the idle limits of common proxies.
const LONGEST: u64 = 30;

/// The wait asked for, at most 30 s; `None` when none is asked for or it cannot be read.
pub fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers
        .get_all(PREFER)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut waits = preferences.filter_map(|preference| {
        let (name, seconds) = preference.split(';').next()?.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("wait")
            .then_some(seconds)?
            .trim()
            .trim_matches('"')
            .parse::<u64>()
            .ok()
    });
    waits
        .next()
        .map(|seconds| Duration::from_secs(seconds.min(LONGEST)))
}

/// Tells the client which wait was kept to.
pub fn applied(response: &mut HttpResponse, wait: Option<Duration>) {
    if let Some(wait) = wait
        && let Ok(value) = HeaderValue::try_from(format!("wait={}", wait.as_secs()))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, value);
    }
}
