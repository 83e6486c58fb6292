//! The plain frame of every page: one style, no script, nothing loaded from elsewhere (the policy forbids it).

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#1a1f36;background:#f6f8fa;margin:0}\
main{max-width:60rem;margin:2rem auto;padding:0 1rem}\
.card{background:#fff;border:1px solid #e3e8ee;border-radius:.5rem;padding:1.5rem;margin:1rem 0;overflow-x:auto}\
main:has(.narrow){max-width:28rem}\
.price{font-size:2rem;font-weight:600;margin:.5rem 0}.note{color:#697386;font-size:.9rem}.bad{color:#b3093c}\
button{font:inherit;border:1px solid #cbd2d9;border-radius:.35rem;background:#fff;padding:.3rem .7rem;cursor:pointer}\
.wide button{width:100%;padding:.6rem;margin:.25rem 0}.main{background:#635bff;border-color:#635bff;color:#fff}\
table{border-collapse:collapse;width:100%;font-size:.9rem}\
td,th{text-align:left;padding:.35rem .6rem;border-top:1px solid #e3e8ee;vertical-align:top}\
form{display:inline}input{font:inherit;padding:.25rem}input[type=number]{width:6rem}label{margin-right:.75rem}\
code{font-size:.85em;overflow-wrap:anywhere}";

/// A page; `body` is HTML.
pub(super) fn page(status: StatusCode, title: &str, body: &str) -> HttpResponse {
    let title = escape(title);
    let policy = (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'",
    );
    HttpResponse::build(status).content_type(header::ContentType::html()).insert_header(policy).body(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title} · local Stripe</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}\
         <p class=\"note\">A local stand-in for Stripe: no money moves.</p></main></body></html>"
    ))
}

/// Text made safe between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

/// An amount in the smallest unit, as in `12.50 USD` or `1250 JPY`.
/// Source: <https://docs.stripe.com/currencies#zero-decimal>.
pub(super) fn money(amount: i64, currency: &str) -> String {
    const WHOLE: [&str; 15] = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
        "xof", "xpf",
    ];
    let name = escape(&currency.to_uppercase());
    if WHOLE.contains(&currency) {
        return format!("{amount} {name}");
    }
    format!("{}.{:02} {name}", amount / 100, amount % 100)
}

/// A button that posts `fields` to `action`.
pub(super) fn button(action: &str, fields: &[(&str, &str)], class: &str, label: &str) -> String {
    let hidden: String = fields
        .iter()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
                escape(value)
            )
        })
        .collect();
    let class = match class {
        "" => String::new(),
        class => format!(" class=\"{class}\""),
    };
    let (action, label) = (escape(action), escape(label));
    format!(
        "<form method=\"post\" action=\"{action}\">{hidden}<button{class}>{label}</button></form> "
    )
}
