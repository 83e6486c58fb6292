//! The OpenAPI document: what is committed, what is served and what is mounted are one.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{METHODS, document, operations};
use crate::support::TestApp;
use crate::support::lists::NOBODY;

/// A path of the document with something in the place of its parameters.
fn filled(path: &str, with: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{code}" => "not-found",
        segment if segment.starts_with('{') => with,
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A response itself, which several operations may refer to.
fn resolved<'a>(document: &'a Value, response: &'a Value) -> &'a Value {
    let pointer = response["$ref"]
        .as_str()
        .and_then(|it| it.strip_prefix('#'));
    pointer.map_or(response, |pointer| document.pointer(pointer).unwrap())
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let app = TestApp::start().await;
    let mut served = document(&app).await;
    assert_eq!(served["servers"], json!([{ "url": app.url }]));
    let text = include_str!("../../../openapi/openapi.json");
    let committed: Value = serde_json::from_str(text).unwrap();
    served["servers"] = committed["servers"].clone();
    assert!(
        served == committed,
        "mend it with: cargo run -- openapi > openapi/openapi.json"
    );
    app.finish().await;
}

#[tokio::test]
async fn every_operation_is_described_and_says_how_it_fails() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    assert_eq!(document["openapi"], "3.1.0");
    let tags = document["tags"].as_array().unwrap().iter();
    let known: BTreeSet<_> = tags.map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} names two operations");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
        let tags = operation["tags"].as_array().unwrap();
        assert_eq!(tags.len(), 1, "{id}");
        assert!(known.contains(tags[0].as_str().unwrap()), "{id}: {tags:?}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{id}"
        );
        let errors: Vec<_> = responses
            .iter()
            .filter(|(status, _)| !status.starts_with('2') && *status != "304")
            .collect();
        assert!(
            tags[0] == "Operation" || !errors.is_empty(),
            "{id} never fails?"
        );
        for (status, response) in errors {
            let content = &resolved(&document, response)["content"]["application/problem+json"];
            assert_eq!(
                content["schema"]["$ref"], "#/components/schemas/Problem",
                "{id} {status}"
            );
            for (code, example) in content["examples"].as_object().unwrap() {
                assert_eq!(example["value"]["code"], *code);
                assert_eq!(example["value"]["status"].to_string(), *status, "{id}");
            }
        }
        let in_path = path.matches('{').count();
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let declared = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .count();
        assert_eq!(in_path, declared, "{id}: the parameters of {path}");
        let needs_token = path.starts_with("/v1/me") || path.starts_with("/v1/admin");
        assert!(
            !needs_token || operation["security"] == json!([{ "session": [] }]),
            "{method} {path}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn every_operation_says_who_may_call_it_and_shows_every_body() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let schemes = &document["components"]["securitySchemes"];
    let mut shown = 0;
    for (_, _, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(operation["description"].is_string(), "{id}");
        for scheme in operation["security"].as_array().unwrap() {
            let names = scheme.as_object().unwrap().keys();
            assert!(
                names.into_iter().all(|name| schemes[name].is_object()),
                "{id}: {scheme}"
            );
        }
        let responses = operation["responses"].as_object().unwrap().values();
        for body in responses.chain([&operation["requestBody"]]) {
            for content in resolved(&document, body)["content"]
                .as_object()
                .into_iter()
                .flat_map(|types| types.values())
            {
                let examples = content["examples"]
                    .as_object()
                    .map_or(0, serde_json::Map::len);
                assert!(
                    examples > 0 || content.get("example").is_some(),
                    "{id}: {content}"
                );
                shown += 1;
            }
        }
    }
    assert!(shown > 300, "{shown}");
    app.finish().await;
}

#[tokio::test]
async fn the_deliveries_of_stripe_and_clerk_are_described_as_webhooks() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    for (sender, scheme) in [("stripe", "deliveryStripe"), ("clerk", "deliveryClerk")] {
        let delivery = &document["webhooks"][sender]["post"];
        let receiver = &document["paths"][format!("/v1/webhooks/{sender}")]["post"];
        assert_eq!(delivery["security"], json!([{ scheme: [] }]));
        assert!(delivery["requestBody"].is_object());
        assert_eq!(delivery["requestBody"], receiver["requestBody"]);
        assert_eq!(delivery["responses"], receiver["responses"]);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_encoded_as_asked_is_a_problem() {
    let app = TestApp::start().await;
    let anon = app.anon();
    for path in ["/healthz", "/v1/products", "/problems"] {
        let request = anon
            .request(Method::GET, path)
            .header("accept-encoding", "identity;q=0, *;q=0");
        let reply = anon.send(request).await;
        assert!(!reply.header("x-request-id").is_empty());
        reply.expect_problem(406, "not-acceptable");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_documented_answers_and_nothing_else_does() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let document = document(&app).await;
    for (path, item) in document["paths"].as_object().unwrap() {
        let has: Vec<_> = METHODS
            .into_iter()
            .filter(|method| item.get(method).is_some())
            .collect();
        let mut allowed: Vec<_> = has.iter().map(|method| method.to_uppercase()).collect();
        if has.contains(&"get") {
            allowed.push("HEAD".into());
        }
        allowed.push("OPTIONS".into());
        allowed.sort();
        let url = filled(path, NOBODY);
        for method in METHODS.into_iter().chain(["head", "trace", "propfind"]) {
            let name = method.to_uppercase();
            let request = admin.request(Method::from_bytes(name.as_bytes()).unwrap(), &url);
            let reply = admin.send(request).await;
            if allowed.contains(&name) {
                // The router answers 405 where it knows the address but not the method, so a 404 is the handler's.
                assert_ne!(reply.status, 405, "{name} {path}");
                assert!(reply.status != 404 || path.contains('{'), "{name} {path}");
            } else {
                assert_eq!(reply.header("allow"), allowed.join(", "), "{name} {path}");
                assert_eq!(reply.status, 405, "{name} {path}");
                if method != "head" {
                    reply.expect_problem(405, "method-not-allowed");
                }
            }
        }
        let options = app
            .anon()
            .send(app.anon().request(Method::OPTIONS, &url))
            .await;
        assert_eq!(options.header("allow"), allowed.join(", "), "{path}");
        options.expect(204);
    }
    for path in [
        "/",
        "/v1",
        "/v2/products",
        "/v1/me/",
        "/v1/me/lessons",
        "/admin",
        "/dev/tokens",
        "/v1/Products",
    ] {
        let reply = admin.get(path).await;
        if path == "/v1/me/" {
            reply.expect(200);
        } else {
            reply.expect_problem(404, "not-found");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_bad_id_in_any_path_is_not_found() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let document = document(&app).await;
    let long = "a".repeat(3000);
    for (path, method, operation) in operations(&document) {
        if !path.contains('{') || path.contains("{code}") {
            continue;
        }
        for id in [
            "1",
            "-1",
            "null",
            "not-a-uuid",
            "%00",
            "%ff",
            "{id}",
            "%F0%9F%A6%80",
            &long,
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let mut request = admin
                .request(method, &filled(&path, id))
                .header("idempotency-key", "a");
            if operation["requestBody"].is_object() {
                request = request
                    .header("content-type", "application/json")
                    .body("{}");
            }
            let reply = admin.send(request).await;
            reply.expect_problem(404, "not-found");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_head_says_what_a_get_would_without_the_body() {
    let app = TestApp::start().await;
    let anon = app.anon();
    for path in [
        "/v1/products",
        "/problems",
        "/healthz",
        "/openapi.json",
        "/v1/products/1",
    ] {
        let get = anon.get(path).await;
        let head = anon.send(anon.request(Method::HEAD, path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert_eq!(head.text, "");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_documentation_is_served_from_the_binary() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let docs = anon.get("/docs").await;
    let location = docs.header("location").to_owned();
    assert_eq!(docs.status, 303);
    let page = anon.get(&location).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(
        !page.text.contains("https://"),
        "it asks nobody else: {}",
        page.text
    );
    let scripts = page.text.split("src=\"./").skip(1);
    let scripts: Vec<_> = scripts.filter_map(|rest| rest.split('"').next()).collect();
    assert!(scripts.contains(&"swagger-ui-bundle.js"), "{scripts:?}");
    for script in scripts {
        let script = anon.get(&format!("/docs/{script}")).await;
        assert_eq!(script.status, 200);
        assert!(!script.text.starts_with("// Left out"));
    }
    for path in ["/openapi.json", "/docs", "/docs/index.html"] {
        let posted = anon.call(path).await;
        assert_eq!(posted.header("allow"), "GET, HEAD, OPTIONS", "{path}");
        posted.expect_problem(405, "method-not-allowed");
        let options = anon.send(anon.request(Method::OPTIONS, path)).await;
        options.expect(204);
    }
    app.finish().await;
}

#[tokio::test]
async fn enumerations_are_documented_as_they_are_written() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut seen = 0;
    for (name, schema) in schemas {
        for value in schema["enum"].as_array().into_iter().flatten() {
            let value = value.as_str().unwrap();
            assert!(
                !value.contains(char::is_uppercase)
                    || value
                        .trim_start_matches('-')
                        .starts_with(char::is_lowercase),
                "{name}: {value}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
    let listed = app.anon().get("/problems").await.expect(200);
    let codes: BTreeSet<_> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| &problem["code"])
        .map(Value::to_string)
        .collect();
    let documented: BTreeSet<_> = schemas["ProblemCode"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    assert_eq!(codes, documented);
    app.finish().await;
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn follow(document: &Value, value: &Value) -> usize {
        if let Some(reference) = value["$ref"].as_str() {
            assert!(
                document
                    .pointer(reference.trim_start_matches('#'))
                    .is_some(),
                "{reference}"
            );
            return 1;
        }
        match value {
            Value::Object(fields) => fields.values().map(|value| follow(document, value)).sum(),
            Value::Array(values) => values.iter().map(|value| follow(document, value)).sum(),
            _ => 0,
        }
    }
    let app = TestApp::start().await;
    let document = document(&app).await;
    assert!(follow(&document, &document) > 100);
    app.finish().await;
}
