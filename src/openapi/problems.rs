//! The errors of operations: each is shown once for each set of codes, and referred to where it can be met.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder};

use super::examples::Examples;
use super::headers;
use crate::problem::{Code, MEDIA_TYPE};

/// Handlers declare their own errors as responses whose description is the problem's code.
pub(super) fn declared(operation: &Operation) -> Vec<Code> {
    let of_response = |response: &RefOr<Response>| match response {
        RefOr::T(response) => {
            let named = |code: &&Code| {
                response
                    .description
                    .split(", ")
                    .any(|name| name == code.as_str())
            };
            Code::ALL.iter().filter(named).copied().collect()
        }
        RefOr::Ref(_) => Vec::new(),
    };
    operation
        .responses
        .responses
        .values()
        .flat_map(of_response)
        .collect()
}

/// The answer to an operation that meets one of these codes, which have the same status.
pub(super) fn response(codes: &[Code], fault: &serde_json::Value, examples: &Examples) -> Response {
    let names: Vec<_> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", code.title()))
        .collect();
    let mut content = Content::new(Some(RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"))));
    for code in codes {
        let mut value = json!({
            "type": format!("/problems/{code}"),
            "title": code.title(),
            "status": code.status(),
            "detail": code.explanation(),
            "code": code,
            "requestId": "54b2df92-0b16-4e56-b673-2a0154b4396b",
        });
        let more = match code {
            Code::Invalid => Some(("errors", json!([fault]))),
            Code::PriceChanged => {
                let quote = RefOr::Ref(Ref::from_schema_name("Quote"));
                Some(("quote", examples.of(&quote)))
            }
            _ => None,
        };
        if let (Some((name, shown)), Some(fields)) = (more, value.as_object_mut()) {
            fields.insert(name.to_owned(), shown);
        }
        let example = ExampleBuilder::new()
            .summary(code.title())
            .value(Some(value));
        content
            .examples
            .insert(code.as_str().to_owned(), RefOr::T(example.build()));
    }
    let response = ResponseBuilder::new()
        .description(names.join("; "))
        .content(MEDIA_TYPE, content);
    match codes.first().map(|code| code.status()) {
        Some(401) => response.header("WWW-Authenticate", headers::header("`Bearer`")),
        _ => response,
    }
    .build()
}

/// Lets operations refer to an answer that several of them have, which is written out in each of them otherwise.
pub(super) fn share(document: &mut OpenApi) {
    let mut found: Vec<(usize, Response)> = Vec::new();
    for response in operations(document).flat_map(|operation| responses(operation)) {
        match found.iter_mut().find(|(_, it)| it == response) {
            Some((count, _)) => *count += 1,
            None => found.push((1, response.clone())),
        }
    }
    found.retain(|(count, _)| *count > 1);
    found.sort_by_key(|(count, _)| Reverse(*count));
    let mut shared = BTreeMap::new();
    for (_, response) in found {
        shared.entry(name(&response)).or_insert(response);
    }
    for operation in operations(document) {
        for response in operation.responses.responses.values_mut() {
            if let RefOr::T(it) = response
                && let Some((name, _)) = shared.iter().find(|(_, shared)| *shared == it)
            {
                *response = RefOr::Ref(Ref::from_response_name(name));
            }
        }
    }
    let shared = shared.into_iter().map(|(name, it)| (name, RefOr::T(it)));
    let components = document.components.get_or_insert_default();
    components.responses.extend(shared);
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    let webhooks = document
        .webhooks
        .iter_mut()
        .flat_map(|it| it.paths.values_mut());
    let items = document.paths.paths.values_mut().chain(webhooks);
    items.flat_map(|item| {
        let PathItem {
            get,
            put,
            post,
            delete,
            patch,
            ..
        } = item;
        [get, put, post, delete, patch].into_iter().flatten()
    })
}

/// The errors that are written out.
fn responses(operation: &Operation) -> impl Iterator<Item = &Response> {
    let responses = operation.responses.responses.values();
    responses.filter_map(|response| match response {
        RefOr::T(response) if response.content.contains_key(MEDIA_TYPE) => Some(response),
        _ => None,
    })
}

/// Its codes: `CodeOrOtherCode`.
fn name(response: &Response) -> String {
    let codes = response.content.values().flat_map(|content| match content {
        RefOr::T(content) => content.examples.keys().collect(),
        RefOr::Ref(_) => Vec::new(),
    });
    let named = codes.map(|code| Code::ALL.iter().find(|it| it.as_str() == code));
    let names: Vec<_> = named.flatten().map(|code| format!("{code:?}")).collect();
    names.join("Or")
}
