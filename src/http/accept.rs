//! What a client would rather read (RFC 9110, section 12.5.1).

use actix_web::http::header::{self, HeaderMap};

/// Whether HTML is preferred over JSON: a browser, not a program.
pub fn prefers_html(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT);
    let accept: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    let accept = accept.join(",");
    weight(&accept, "text", "html") > weight(&accept, "application", "json")
}

/// The weight of a media type, in thousandths, by the most special range that holds it. Without the header everything
/// is as welcome.
fn weight(accept: &str, kind: &str, subtype: &str) -> u16 {
    let exact = format!("{kind}/{subtype}");
    let any = format!("{kind}/*");
    let ranges = [exact.as_str(), any.as_str(), "*/*"];
    let of_range = |range: &str| {
        let mut items = accept.split(',');
        items.find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            parts
                .next()
                .filter(|name| name.eq_ignore_ascii_case(range))?;
            let quality = parts.find_map(|part| part.strip_prefix("q="));
            Some(quality.map_or(1000, thousandths))
        })
    };
    ranges
        .into_iter()
        .find_map(of_range)
        .unwrap_or(if accept.trim().is_empty() { 1000 } else { 0 })
}

fn thousandths(quality: &str) -> u16 {
    let quality: f32 = quality.parse().unwrap_or(0.0);
    // At most 1000, by the clamp.
    (quality.clamp(0.0, 1.0) * 1000.0) as u16
}
