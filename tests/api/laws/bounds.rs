//! What the document says about values, and what the validators say, are the same: each bound is tried from both sides.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{document, operations};
use crate::support::lists::NOBODY;
use crate::support::{Client, TestApp};

/// A schema without references, and without the null that may stand beside it.
fn resolved(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolved(document, document.pointer(&reference[1..]).unwrap());
    }
    let is_null = |schema: &&Value| schema["type"] != "null";
    match schema["oneOf"].as_array() {
        Some(choices) => resolved(document, choices.iter().find(is_null).unwrap()),
        None => schema.clone(),
    }
}

fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::Array(kinds) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .unwrap(),
        kind => kind.as_str().unwrap_or_default(),
    }
}

/// What an example becomes at its schema's bounds, and just beyond them.
fn probes(document: &Value, schema: &Value, example: &Value) -> (Vec<Value>, Vec<Value>) {
    let schema = resolved(document, schema);
    let bound = |keyword: &str| schema[keyword].as_i64();
    let bounds = |least: &str, most: &str| (bound(least), bound(most));
    match kind(&schema) {
        "string" if schema["enum"].is_array() => {
            let words = schema["enum"].as_array().unwrap().clone();
            (words, vec![json!("no-such-word")])
        }
        "string" if schema["format"] == "uuid" => {
            (vec![json!(NOBODY)], vec![json!("no-uuid"), json!(7)])
        }
        "string" if schema["format"] == "date-time" => (
            vec![json!("2026-11-23T08:30:00Z")],
            vec![json!("yesterday")],
        ),
        "string" => texts(&schema),
        "integer" => {
            let (least, most) = bounds("minimum", "maximum");
            let beyond = [least.map(|least| least - 1), most.map(|most| most + 1)];
            let beyond = beyond.into_iter().flatten().map(Value::from);
            let good = [least, most].into_iter().flatten().map(Value::from);
            (
                good.collect(),
                beyond.chain([json!("one"), json!(1.5)]).collect(),
            )
        }
        "array" => {
            let row = &example[0];
            let rows = |count: i64| json!(vec![row; usize::try_from(count).unwrap()]);
            let (good, bad) = probes(document, &schema["items"], row);
            let (least, most) = bounds("minItems", "maxItems");
            let beyond = [least.map(|least| least - 1), most.map(|most| most + 1)];
            let beyond = beyond.into_iter().flatten().map(rows);
            let within = [least, most].into_iter().flatten().map(rows);
            let of_one = |row: Value| json!([row]);
            (
                within.chain(good.into_iter().map(of_one)).collect(),
                beyond.chain(bad.into_iter().map(of_one)).collect(),
            )
        }
        "object" => {
            let mut all = (Vec::new(), Vec::new());
            for (field, of_field) in schema["properties"].as_object().into_iter().flatten() {
                let with = |value: Value| {
                    let mut object = example.clone();
                    object[field] = value;
                    object
                };
                let (good, bad) = probes(document, of_field, &example[field]);
                all.0.extend(good.into_iter().map(with));
                all.1.extend(bad.into_iter().map(with));
            }
            all
        }
        _ => (Vec::new(), Vec::new()),
    }
}

fn texts(schema: &Value) -> (Vec<Value>, Vec<Value>) {
    let length = |keyword: &str| {
        schema[keyword]
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
    };
    let (least, most) = (length("minLength"), length("maxLength"));
    // Patterns are about more than the length: a text grows from the example, unless its length is fixed by one.
    let example = schema["examples"][0].as_str().unwrap_or("a");
    let example = if example.starts_with("https://") {
        format!("{example}/")
    } else {
        example.to_owned()
    };
    let text = |count: usize| {
        let text: String = example
            .chars()
            .chain(std::iter::repeat('a'))
            .take(count)
            .collect();
        json!(text)
    };
    let is_fixed = schema["pattern"]
        .as_str()
        .is_some_and(|pattern| pattern.contains("{11}") || pattern.contains("{2}"));
    let longest = most.filter(|_| !is_fixed).map(text);
    let too_long = most.map(|most| text(most + 1));
    let too_short = least.filter(|least| *least > 0).map(|_| json!(""));
    let good = longest
        .into_iter()
        .chain(schema["examples"].as_array().into_iter().flatten().cloned());
    (
        good.collect(),
        [too_long, too_short]
            .into_iter()
            .flatten()
            .chain([json!(7)])
            .collect(),
    )
}

/// Whether an answer blames this very field (or an item of it) for its shape or its bounds.
fn blames(answer: &Value, key: &str, name: &str) -> bool {
    let of_shape = [
        "invalid-value",
        "invalid-type",
        "null",
        "required",
        "unknown-field",
    ];
    answer["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|error| {
            let at = error[key].as_str().unwrap_or_default();
            let code = error["code"].as_str().unwrap_or_default();
            (at == name || at.starts_with(&format!("{name}/"))) && of_shape.contains(&code)
        })
}

fn path_of(path: &str) -> String {
    let segments = path
        .split('/')
        .map(|part| if part.starts_with('{') { NOBODY } else { part });
    segments.collect::<Vec<_>>().join("/")
}

async fn send(client: &Client, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = client.request(
        Method::from_bytes(method.as_bytes()).unwrap(),
        &path_of(path),
    );
    // Some operations need one, and none minds.
    let key = uuid::Uuid::new_v4().to_string();
    let request = request.header("idempotency-key", key).json(body);
    let reply = client.send(request).await;
    (reply.status.as_u16(), reply.body)
}

/// The operations with a JSON body of ours: their path, method, body's schema and example.
fn with_body(document: &Value) -> Vec<(String, String, Value, Value)> {
    let of_operation = |(path, method, operation): (String, String, Value)| {
        let content = &operation["requestBody"]["content"]["application/json"];
        let is_ours = content.is_object() && operation["tags"][0] != "Webhooks";
        is_ours.then(|| {
            (
                path,
                method,
                resolved(document, &content["schema"]),
                content["example"].clone(),
            )
        })
    };
    operations(document)
        .into_iter()
        .filter_map(of_operation)
        .collect()
}

#[tokio::test]
async fn every_bound_of_a_body_is_the_validators() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let admin = app.admin();
    let mut tried = 0;
    for (path, method, schema, example) in with_body(&document) {
        let (status, answer) = send(&admin, &method, &path, &example).await;
        assert!(
            ![400, 413, 415].contains(&status),
            "{method} {path}: {answer}"
        );
        assert!(
            !blames(&answer, "pointer", ""),
            "{method} {path}, the example: {answer}"
        );
        assert_eq!(
            schema["additionalProperties"], false,
            "{method} {path}: unknown fields are refused"
        );
        for (field, of_field) in schema["properties"].as_object().unwrap() {
            let pointer = format!("/{field}");
            let with = |value: Value| {
                let mut body = example.clone();
                body[field] = value;
                body
            };
            let (good, bad) = probes(&document, of_field, &example[field]);
            for value in good {
                let (status, answer) = send(&admin, &method, &path, &with(value.clone())).await;
                assert!(
                    status != 422 || !blames(&answer, "pointer", &pointer),
                    "{method} {path} {field} = {value}: {answer}"
                );
                tried += 1;
            }
            for value in bad {
                let (status, answer) = send(&admin, &method, &path, &with(value.clone())).await;
                assert_eq!(status, 422, "{method} {path} {field} = {value}: {answer}");
                assert!(
                    blames(&answer, "pointer", &pointer),
                    "{method} {path} {field} = {value}: {answer}"
                );
                tried += 1;
            }
            let mut without: Map<_, _> = example.as_object().unwrap().clone();
            without.remove(field);
            let (_, answer) = send(&admin, &method, &path, &Value::Object(without)).await;
            let required = schema["required"]
                .as_array()
                .is_some_and(|names| names.iter().any(|name| name == field));
            assert_eq!(
                blames(&answer, "pointer", &pointer),
                required,
                "{method} {path} without {field}: {answer}"
            );
        }
    }
    assert!(tried > 100, "{tried}");
    app.finish().await;
}

#[tokio::test]
async fn every_bound_of_a_query_is_the_validators() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let admin = app.admin();
    let mut tried = 0;
    for (path, method, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] != "query" {
                continue;
            }
            let (good, bad) = probes(&document, &parameter["schema"], &Value::Null);
            let ask = async |value: &Value| {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair(name, &text)
                    .finish();
                let request = admin.request(
                    Method::from_bytes(method.as_bytes()).unwrap(),
                    &format!("{}?{query}", path_of(&path)),
                );
                let reply = admin.send(request).await;
                (reply.status.as_u16(), reply.body)
            };
            for value in good {
                let (status, answer) = ask(&value).await;
                assert!(
                    status < 500 && !blames(&answer, "parameter", name),
                    "{path} {name} = {value}: {answer}"
                );
                tried += 1;
            }
            // Everything in a query is text, so a number is as good as a word.
            for value in bad.iter().filter(|value| {
                value.is_string() || kind(&resolved(&document, &parameter["schema"])) == "integer"
            }) {
                let (status, answer) = ask(value).await;
                assert_eq!(status, 422, "{path} {name} = {value}: {answer}");
                assert!(
                    blames(&answer, "parameter", name),
                    "{path} {name} = {value}: {answer}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 40, "{tried}");
    app.finish().await;
}

#[tokio::test]
async fn everything_that_is_sent_has_bounds() {
    fn check(document: &Value, place: &str, schema: &Value) {
        let schema = resolved(document, schema);
        let bounded = match kind(&schema) {
            "string" => {
                schema["maxLength"].is_u64()
                    || schema["enum"].is_array()
                    || schema["format"].is_string()
                    || schema["pattern"].is_string()
            }
            "integer" => schema["minimum"].is_i64() && schema["maximum"].is_i64(),
            "array" => {
                check(document, &format!("{place}/0"), &schema["items"]);
                schema["maxItems"].is_u64()
            }
            "object" => {
                for (name, of_field) in schema["properties"].as_object().into_iter().flatten() {
                    check(document, &format!("{place}/{name}"), of_field);
                }
                true
            }
            _ => true,
        };
        assert!(bounded, "{place} has no bounds: {schema}");
    }
    let app = TestApp::start().await;
    let document = document(&app).await;
    let bodies = with_body(&document);
    for (path, method, schema, _) in &bodies {
        check(&document, &format!("{method} {path}"), schema);
    }
    assert!(bodies.len() > 10);
    app.finish().await;
}
