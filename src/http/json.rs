//! The extractors of bodies: media type, size, syntax, shape and bounds, each with its own answer.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use garde::Validate;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::timeout;

use crate::auth::gate;
use crate::problem::{Code, FieldError, Problem};

/// The most that a JSON body may weigh, in bytes.
pub const JSON_LIMIT: usize = 64 * 1024;

/// How deeply the lists and objects of a JSON body may be nested. What is asked for here needs four levels at most.
pub const DEPTH_LIMIT: usize = 32;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that was parsed and checked: 415, 413, 400 and 422 are answered before the handler runs.
pub struct Json<T>(pub T);

/// A JSON merge patch (RFC 7396): as [`Json`], and `application/merge-patch+json` is accepted too.
pub struct MergePatch<T>(pub T);

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, &["application/json"], JSON_LIMIT);
        Box::pin(async move { parse(&body.await?).map(Self) })
    }
}

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for MergePatch<T> {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let types = ["application/merge-patch+json", "application/json"];
        let body = read(request, payload, &types, JSON_LIMIT);
        Box::pin(async move { parse(&body.await?).map(Self) })
    }
}

/// The raw body, at most `limit` bytes, of one of the media types (or of any, when none is named).
pub(super) fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    media_types: &[&str],
    limit: usize,
) -> impl Future<Output = Result<web::Bytes, Problem>> + 'static {
    let body = admit(request, payload, media_types, limit);
    async move {
        let body = body.await?;
        let arrival = async {
            match body.to_bytes_limited(limit).await {
                Ok(Ok(bytes)) => Ok(bytes),
                Ok(Err(_)) => Err(unreadable()),
                Err(_) => Err(Problem::new(Code::PayloadTooLarge)),
            }
        };
        in_time(arrival).await
    }
}

/// The body of somebody who may send it, before it has come: of one of the media types (or of any, when none is named),
/// and not announced to be longer than `limit` bytes.
pub(super) fn admit(
    request: &HttpRequest,
    payload: &mut Payload,
    media_types: &[&str],
    limit: usize,
) -> impl Future<Output = Result<web::Payload, Problem>> + 'static {
    let media_type = request.content_type().to_ascii_lowercase();
    let is_utf8 = |charset: Option<&str>| {
        charset.is_none_or(|name| name.trim_matches('"').eq_ignore_ascii_case("utf-8"))
    };
    let is_listed = media_types.contains(&media_type.as_str()) && is_utf8(charset(request));
    let accepted = (media_types.is_empty() || is_listed)
        && request
            .headers()
            .get(header::CONTENT_ENCODING)
            .is_none_or(|coding| coding == "identity");
    let body = accepted.then(|| web::Payload::from_request(request, payload).into_inner());
    let length = content_length(request);
    let gate = gate::pass(request);
    async move {
        gate.await?;
        let Some(body) = body else {
            return Err(Problem::new(Code::UnsupportedMediaType));
        };
        if length.is_some_and(|length| length > limit) {
            return Err(Problem::new(Code::PayloadTooLarge));
        }
        body.map_err(|_| Problem::new(Code::MalformedRequest))
    }
}

/// A body that does not take for ever to arrive.
pub(super) async fn in_time<T>(
    arrival: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    timeout(BODY_TIMEOUT, arrival).await.unwrap_or_else(|_| {
        Err(Problem::new(Code::MalformedRequest).detail("The body did not arrive in time."))
    })
}

pub(super) fn unreadable() -> Problem {
    Problem::new(Code::MalformedRequest).detail("The body could not be read to its end.")
}

/// The parameter of the media type. JSON is UTF-8 whatever it says, so anything else is a mistake.
fn charset(request: &HttpRequest) -> Option<&str> {
    let kind = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parameters = kind
        .split(';')
        .skip(1)
        .filter_map(|part| part.split_once('='));
    let (_, charset) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(charset.trim())
}

fn content_length(request: &HttpRequest) -> Option<usize> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn parse<T: DeserializeOwned + Validate<Context = ()>>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::new(Code::MalformedRequest).detail("The body is not UTF-8."))?;
    // serde would read a list as a struct, field by field, and calls some wrong values syntax errors: what is
    // valid JSON is settled here.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax_fault(&error))?;
    if depth(text) > DEPTH_LIMIT {
        let detail = format!("The body is nested more than {DEPTH_LIMIT} levels deep.");
        return Err(Problem::new(Code::MalformedRequest).detail(detail));
    }
    if !text.trim_start().starts_with('{') {
        let fault = FieldError::at("", "invalid-type", "must be an object");
        return Err(Problem::invalid(vec![fault]));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value: T =
        serde_path_to_error::deserialize(&mut json).map_err(|error| shape_fault(&error))?;
    value.validate().map_err(|report| {
        let errors = report.iter().map(|(path, error)| {
            FieldError::at(
                camel_case_pointer(&path.to_string()),
                "invalid-value",
                error.message(),
            )
        });
        Problem::invalid(errors.collect())
    })?;
    Ok(value)
}

/// How deeply the lists and objects of valid JSON are nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn syntax_fault(error: &serde_json::Error) -> Problem {
    let place = format!(
        "The body is not valid JSON at line {}, column {}.",
        error.line(),
        error.column()
    );
    Problem::new(Code::MalformedRequest).detail(place)
}

fn shape_fault(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    Problem::invalid(vec![field_error(
        &error.inner().to_string(),
        &pointer(error.path()),
        FieldError::at,
    )])
}

/// Makes a field error from serde's words. Where a field is missing or unknown, serde names it only there.
pub fn field_error(
    message: &str,
    parent: &str,
    make: impl Fn(String, &'static str, String) -> FieldError,
) -> FieldError {
    // serde_json appends " at line 1 column 2", which says nothing to a person with a pointer.
    let message = message.split(" at line ").next().unwrap_or(message);
    let named = escape(message.split('`').nth(1).unwrap_or_default());
    if message.starts_with("missing field") {
        make(
            format!("{parent}/{named}"),
            "required",
            "is required".to_owned(),
        )
    } else if message.starts_with("unknown field") {
        // The path ends with the unknown field itself or with its parent, depending on who noticed it.
        let parent = parent.strip_suffix(&format!("/{named}")).unwrap_or(parent);
        make(
            format!("{parent}/{named}"),
            "unknown-field",
            "is not a field of this request".to_owned(),
        )
    } else if message.starts_with("duplicate field") {
        let parent = parent.strip_suffix(&format!("/{named}")).unwrap_or(parent);
        make(
            format!("{parent}/{named}"),
            "duplicate-field",
            "is given twice".to_owned(),
        )
    } else if message.starts_with("invalid type: null") {
        make(parent.to_owned(), "null", "must not be null".to_owned())
    } else {
        make(
            parent.to_owned(),
            "invalid-type",
            message.replace("expected i32", "expected an integer"),
        )
    }
}

/// serde's path as a JSON Pointer (RFC 6901).
pub fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&escape(key));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// A name as a part of a JSON Pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// garde's path, in Rust's names (`course_ids[0]`), as a pointer in JSON's names (`/courseIds/0`).
fn camel_case_pointer(path: &str) -> String {
    let mut pointer = String::from("/");
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' => upper = true,
            '[' | '.' => pointer.push('/'),
            ']' => {}
            _ if upper => {
                pointer.push(c.to_ascii_uppercase());
                upper = false;
            }
            _ => pointer.push(c),
        }
    }
    pointer
}
