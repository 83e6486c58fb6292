//! Entity tags (RFC 9110, sections 8.8.3 and 13): `ETag`, `If-None-Match`, and `If-Match` where nothing is changed.
//!
//! A tag is `"<digest>"` or `"<version>.<digest>"`. The digest is of the body, so that a tag changes whenever a byte
//! does. The version is that of the row: `If-Match` of a change looks at it alone, so that a sale, which moves a count
//! in the body, does not stand in the way of an edit. A compressed body is another representation and has a tag of its
//! own, `"...-gzip"`; whoever sends one back means the same thing.

use std::sync::{Arc, OnceLock};

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::{Code, Problem};

/// Codings whose tags are told apart.
const CODINGS: [&str; 3] = ["gzip", "br", "deflate"];

/// The version of what a request is about, once it is known. Shared between the request and its transaction.
pub type VersionSlot = Arc<OnceLock<String>>;

/// The strong tag of a body, perhaps at a version.
pub fn strong(version: Option<&str>, body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let digest = URL_SAFE_NO_PAD.encode(digest.get(..15).unwrap_or_default());
    match version {
        Some(version) => format!("\"{version}.{digest}\""),
        None => format!("\"{digest}\""),
    }
}

/// A tag as a client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    weak: bool,
    /// Between the quotes, without a coding.
    opaque: String,
    /// As it came.
    sent: String,
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tags {
    /// `*`: whatever there is.
    Any,
    /// One of these. What is no tag is left out, and so matches nothing.
    Listed(Vec<Tag>),
}

impl Tags {
    /// Reads a header, however many lines it has; `None` when it is absent.
    pub fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let lines: Vec<_> = headers
            .get_all(name)
            .map(|line| String::from_utf8_lossy(line.as_bytes()).trim().to_owned())
            .collect();
        match lines.as_slice() {
            [] => None,
            [any] if any == "*" => Some(Self::Any),
            lines => Some(Self::Listed(
                lines.iter().flat_map(|line| parse(line)).collect(),
            )),
        }
    }

    /// Strong comparison with a whole tag: for `If-Match` of what is read.
    fn matches_strongly(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags
                .iter()
                .any(|sent| !sent.weak && format!("\"{}\"", sent.opaque) == tag),
        }
    }

    /// Weak comparison with a whole tag; returns the one that matched, as it was sent.
    fn matching<'a>(&'a self, tag: &'a str) -> Option<&'a str> {
        match self {
            Self::Any => Some(tag),
            Self::Listed(tags) => {
                let mut tags = tags.iter();
                let found = tags.find(|sent| format!("\"{}\"", sent.opaque) == tag)?;
                Some(found.sent.trim_start_matches("W/"))
            }
        }
    }

    /// Whether one of them was made at this version. Weak ones are only looked at when `weakly`.
    pub fn match_version(&self, version: &str, weakly: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|sent| {
                let made_at = sent.opaque.split_once('.').map(|(version, _)| version);
                (weakly || !sent.weak) && made_at == Some(version)
            }),
        }
    }
}

/// The tags of one line. A comma may be part of a tag.
fn parse(line: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('"') {
        let (before, after) = rest.split_at(start);
        let Some(end) = after.get(1..).and_then(|inner| inner.find('"')) else {
            break;
        };
        let (quoted, behind) = after.split_at(end + 2);
        let before = before.trim_start_matches([' ', '\t', ',']);
        let opaque = quoted.trim_matches('"');
        let plain = CODINGS
            .iter()
            .find_map(|coding| opaque.strip_suffix(coding)?.strip_suffix('-'));
        if before.is_empty() || before == "W/" {
            tags.push(Tag {
                weak: before == "W/",
                opaque: plain.unwrap_or(opaque).to_owned(),
                sent: format!("{before}{quoted}"),
            });
        }
        rest = behind;
    }
    tags
}

/// Holds a change to its `If-Match`, where what is read at the same address is this and has no version.
///
/// # Errors
/// 412 `precondition-failed`.
pub fn hold(request: &HttpRequest, body: &impl Serialize) -> Result<(), Problem> {
    let body = serde_json::to_vec(body).map_err(Problem::internal)?;
    match Tags::of(request.headers(), &header::IF_MATCH) {
        Some(tags) if !tags.matches_strongly(&strong(None, &body)) => {
            Err(Problem::new(Code::PreconditionFailed))
        }
        _ => Ok(()),
    }
}

/// Middleware around the handlers: tags what is read, and answers 304 or 412 instead where the client asks for it.
pub async fn conditional(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_read =
        matches!(*request.method(), Method::GET | Method::HEAD) && is_tagged(request.path());
    let if_match = Tags::of(request.headers(), &header::IF_MATCH).filter(|_| is_read);
    let if_none_match = Tags::of(request.headers(), &header::IF_NONE_MATCH).filter(|_| is_read);
    let response = next.call(request).await?;
    let version = response
        .request()
        .extensions()
        .get::<VersionSlot>()
        .cloned();
    let version = version.as_deref().and_then(OnceLock::get);
    let is_done = matches!(response.status(), StatusCode::OK | StatusCode::CREATED);
    if !is_done || !(is_read || version.is_some()) {
        return Ok(response.map_into_boxed_body());
    }
    let (request, response) = response.into_parts();
    let (mut response, body) = response.into_parts();
    let (tag, body) = match response.headers().get(header::ETAG) {
        Some(tag) => (text(tag), body.boxed()),
        None => {
            let body = to_bytes(body)
                .await
                .map_err(|_| Problem::internal("a body cannot be read"))?;
            (strong(version.map(String::as_str), &body), body.boxed())
        }
    };
    if if_match.is_some_and(|tags| !tags.matches_strongly(&tag)) {
        let refused = Problem::new(Code::PreconditionFailed).error_response();
        return Ok(ServiceResponse::new(request, refused));
    }
    if let Some(known) = if_none_match.as_ref().and_then(|tags| tags.matching(&tag)) {
        let mut unchanged = HttpResponse::NotModified().finish();
        for (name, value) in response.headers() {
            if !is_about_body(name) {
                unchanged.headers_mut().append(name.clone(), value.clone());
            }
        }
        set_tag(unchanged.headers_mut(), known);
        return Ok(ServiceResponse::new(request, unchanged));
    }
    set_tag(response.headers_mut(), &tag);
    Ok(ServiceResponse::new(request, response.set_body(body)))
}

/// Whether what is read at an address has a tag: probes change by the moment, and Swagger UI has tags of its own.
pub fn is_tagged(path: &str) -> bool {
    !["/healthz", "/readyz", "/metrics", "/docs", "/dev"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// What goes with a body alone.
fn is_about_body(name: &HeaderName) -> bool {
    [
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::ETAG,
    ]
    .contains(name)
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn set_tag(headers: &mut HeaderMap, tag: &str) {
    if let Ok(value) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, value);
    }
}

/// Middleware around the compression: a compressed body has a tag of its own, and every body says that there may be
/// others.
pub async fn coded<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut response = next.call(request).await?;
    let headers = response.headers_mut();
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
    if let (Some(coding), Some(tag)) = (text(header::CONTENT_ENCODING), text(header::ETAG))
        && let Some(opaque) = tag.strip_suffix('"')
    {
        set_tag(headers, &format!("{opaque}-{coding}\""));
    }
    let says_so = headers.get_all(header::VARY).any(|vary| {
        vary.to_str()
            .is_ok_and(|vary| vary.to_ascii_lowercase().contains("accept-encoding"))
    });
    if !says_so && headers.contains_key(header::ETAG) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    Ok(response)
}
