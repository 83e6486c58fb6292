//! The headers that shared mechanisms read and write, told by each operation that has them.

use serde_json::json;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{HeaderBuilder, RefOr, Required, ResponseBuilder, Responses};
use uuid::Uuid;

use crate::http::{etag, idempotency, rate_limit};
use crate::problem::Code;
use crate::repositories::version::Versioned;

/// Adds the parameters and headers of an operation; returns the problems that come with them.
pub fn describe(path: &str, method: &str, operation: &mut Operation) -> Vec<Code> {
    let mut codes = Vec::new();
    let is_read = method == "GET";
    let is_tagged = is_read && etag::is_tagged(path);
    let is_versioned = Versioned::at(&path.replace("{id}", &Uuid::nil().to_string())).is_some();
    let makes_versioned = method == "POST" && !is_versioned && location_is_versioned(path);
    if is_tagged {
        parameter(
            operation,
            "If-None-Match",
            false,
            "An `ETag` that is known: 304 when it is still the right one (RFC 9110).",
            "\"x3nPTZ0Rr2YVgVUsvKQi\"",
            text(),
        );
        let unchanged = ResponseBuilder::new()
            .description("It is as `If-None-Match` says.")
            .header("ETag", header("The tag that is still right."));
        operation
            .responses
            .responses
            .insert("304".to_owned(), RefOr::T(unchanged.build()));
    }
    let is_held = (is_versioned && !is_read) || (path, method) == ("/v1/me", "DELETE");
    if is_tagged || is_held {
        let what = if is_read {
            "An `ETag`: 412 unless it is the right one."
        } else {
            "The `ETag` that was read: 412 when somebody else has changed the resource since."
        };
        parameter(
            operation,
            "If-Match",
            false,
            what,
            "\"5d41402abc4b2a76b9719d911017c592.x3nPTZ0Rr2YVgVUsvKQi\"",
            text(),
        );
        codes.push(Code::PreconditionFailed);
    }
    if is_tagged || is_versioned || makes_versioned {
        on_success(
            operation,
            "ETag",
            "Of this body; for `If-None-Match` and, where a change takes it, `If-Match`.",
        );
    }
    if method == "POST" && idempotency::is_honoured(path) {
        let required = idempotency::is_required(path);
        parameter(
            operation,
            "Idempotency-Key",
            required,
            "Names this request for 24 hours: repeated with the same key, it is not done again but answered as before. In quotes or bare, 1 to 255 characters.",
            "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"",
            key(),
        );
        on_success(
            operation,
            "Idempotency-Replayed",
            "`true` on an answer that was given before.",
        );
        codes.extend([
            Code::MalformedRequest,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::IdempotencyKeyInUse,
            Code::IdempotencyKeyReused,
        ]);
        if required {
            codes.push(Code::IdempotencyKeyRequired);
        }
    }
    if rate_limit::is_limited(path) {
        codes.push(Code::RateLimited);
    }
    let is_cursor = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == "cursor");
    if operation.parameters.iter().flatten().any(is_cursor) {
        on_success(
            operation,
            "Link",
            "The address of the next page, as `rel=\"next\"` (RFC 8288), while there is one.",
        );
    }
    codes
}

/// Whether a POST to a collection makes something that has a version.
fn location_is_versioned(path: &str) -> bool {
    let collection = path.rsplit('/').next().unwrap_or_default();
    Versioned::at(&format!("/v1/admin/{collection}/{}", Uuid::nil())).is_some()
}

/// Adds what is told of limits and of waiting, once every response is there.
pub fn tell_limits(path: &str, responses: &mut Responses) {
    for (status, response) in &mut responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let mut tell = |name: &str, what| {
            response
                .headers
                .insert(name.to_owned(), RefOr::T(header(what)));
        };
        if rate_limit::is_limited(path) && (status.starts_with('2') || status == "429") {
            tell(
                "RateLimit",
                "What is left of each quota: `r` requests now, all of them in `t` seconds.",
            );
            tell(
                "RateLimit-Policy",
                "The quotas that count here: `q` requests in `w` seconds.",
            );
        }
        if matches!(status.as_str(), "429" | "503") {
            tell("Retry-After", "Seconds to wait.");
        }
    }
}

/// A header of the request, unless the handler describes it itself.
fn parameter(
    operation: &mut Operation,
    name: &str,
    required: bool,
    what: &str,
    example: &str,
    schema: Schema,
) {
    let parameters = operation.parameters.get_or_insert_default();
    let is_it = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.name == name);
    if parameters.iter().any(is_it) {
        return;
    }
    // Swagger UI fills examples in, and a condition that nobody meant would fail.
    let example = required.then(|| json!(example));
    let required = if required {
        Required::True
    } else {
        Required::False
    };
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(what))
        .schema(Some(schema))
        .example(example);
    parameters.push(RefOr::T(parameter.build()));
}

fn on_success(operation: &mut Operation, name: &str, what: &str) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && matches!(status.as_str(), "200" | "201")
        {
            response
                .headers
                .insert(name.to_owned(), RefOr::T(header(what)));
        }
    }
}

/// A header of an answer.
pub fn header(what: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(text()))
        .description(Some(what))
        .build()
}

/// One key as it is best written: without escapes.
fn key() -> Schema {
    let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some(
        r#"^("[ !#-\[\]-~]{1,255}"|[!#-~]([ -~]{0,253}[!-~])?)$"#,
    ));
    Schema::Object(key.build())
}

fn text() -> Schema {
    Schema::Object(ObjectBuilder::new().schema_type(Type::String).build())
}
