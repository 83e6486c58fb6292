//! What is true of every operation, and follows from its shape.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, RefOr};

use super::examples::{self, Examples};
use super::{DEVELOPMENT, headers, problems, webhooks};
use crate::problem::Code;

/// Adds what follows from an operation's shape, so that no handler repeats it: who may call it, the errors, examples.
pub(super) fn complete(path: &str, method: &str, operation: &mut Operation, examples: &Examples) {
    let is_webhook = operation.tags.iter().flatten().any(|tag| tag == "Webhooks");
    let is_development = operation
        .tags
        .iter()
        .flatten()
        .any(|tag| tag == DEVELOPMENT);
    let secured = operation.security.is_some() && !is_webhook;
    let has = |place: ParameterIn| {
        let in_place = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == place);
        operation.parameters.iter().flatten().any(in_place)
    };
    let (has_path_id, has_query) = (has(ParameterIn::Path), has(ParameterIn::Query));
    let is_admin = operation
        .tags
        .iter()
        .flatten()
        .any(|tag| tag.starts_with("Admin"));
    let mut codes = vec![
        Code::MalformedRequest,
        Code::NotAcceptable,
        Code::RequestTimeout,
        Code::HeadTooLarge,
    ];
    if operation.request_body.is_some() {
        codes.push(Code::PayloadTooLarge);
    }
    if operation.request_body.is_some() && !is_development {
        codes.push(Code::UnsupportedMediaType);
    }
    if (operation.request_body.is_some() && !is_webhook) || has_query {
        codes.push(Code::Invalid);
    }
    if secured {
        codes.extend([
            Code::Unauthenticated,
            Code::AccountDeleted,
            Code::SessionPending,
            Code::IdentityProviderUnavailable,
        ]);
    }
    if is_admin {
        codes.extend([Code::Forbidden, Code::ImpersonationForbidden]);
    }
    if has_path_id {
        codes.push(Code::NotFound);
    }
    let touches_database = operation
        .tags
        .iter()
        .flatten()
        .any(|tag| tag != "Operation");
    if touches_database {
        codes.extend([Code::DatabaseUnavailable, Code::Internal]);
        if !is_webhook && method != "get" {
            codes.push(Code::Conflict);
        }
    }
    codes.extend(headers::describe(path, method, operation));
    let mut by_status: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in codes.into_iter().chain(problems::declared(operation)) {
        let codes = by_status.entry(code.status().to_string()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    let fault = an_invalid_value(operation, examples);
    for (status, codes) in by_status {
        operation.responses.responses.insert(
            status,
            RefOr::T(problems::response(&codes, &fault, examples)),
        );
    }
    headers::tell_limits(path, &mut operation.responses);
    show_path_ids(path, operation);
    show_bodies(operation, examples);
    say_who(operation, is_admin);
}

/// Ends the description with who may call the operation, and says so to machines where nobody has to sign in.
fn say_who(operation: &mut Operation, is_admin: bool) {
    let security = operation.security.get_or_insert_default();
    let who = if security.contains(&SecurityRequirement::new(
        webhooks::STRIPE_SIGNATURE,
        NO_SCOPES,
    )) {
        "Called by Stripe."
    } else if security.contains(&SecurityRequirement::new(
        webhooks::CLERK_SIGNATURE,
        NO_SCOPES,
    )) {
        "Called by Clerk."
    } else if is_admin {
        "For admins."
    } else if security.is_empty() {
        "Open to everybody."
    } else if security.contains(&SecurityRequirement::default()) {
        "Open to everybody; a session token, when one is sent, has to be valid and is taken into account."
    } else {
        "For people who are signed in."
    };
    operation.description = Some(match operation.description.take() {
        Some(description) if !description.is_empty() => format!("{description}\n\n{who}"),
        _ => who.to_owned(),
    });
}

const NO_SCOPES: [&str; 0] = [];

/// Gives every id in the path an example, because Swagger UI sends nothing while one is missing.
fn show_path_ids(path: &str, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
            && let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema
            && schema.format == Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))
        {
            let id = examples::id_in_path(path, &parameter.name);
            *parameter = ParameterBuilder::from(parameter.clone())
                .example(id.map(|id| json!(id)))
                .build();
        }
    }
}

/// Gives every JSON body an example, unless the handler gave one.
fn show_bodies(operation: &mut Operation, examples: &Examples) {
    let show = |content: &mut RefOr<Content>| {
        if let RefOr::T(content) = content
            && let Some(schema) = &content.schema
            && content.example.is_none()
            && content.examples.is_empty()
        {
            content.example = Some(examples.of(schema));
        }
    };
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(show);
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.values_mut().for_each(show);
        }
    }
}

/// How a value of this operation that cannot be accepted is named.
fn an_invalid_value(operation: &Operation, examples: &Examples) -> serde_json::Value {
    let schema = match &operation.request_body {
        Some(RefOr::T(body)) => match body.content.values().next() {
            Some(RefOr::T(content)) => content.schema.as_ref(),
            _ => None,
        },
        _ => None,
    };
    match schema.and_then(|schema| examples.a_field_of(schema)) {
        Some(pointer) => {
            json!({ "pointer": pointer, "code": "null", "detail": "must not be null" })
        }
        None => {
            json!({ "parameter": "colour", "code": "unknown-field", "detail": "is not a field of this request" })
        }
    }
}
