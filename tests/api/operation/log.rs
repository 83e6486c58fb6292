//! One line for each request, which says what it was and what it cost, and nothing about what was in it.

use lectern::schema::users;
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

use crate::support::app::{CLERK_WEBHOOK_SECRET, STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET};
use crate::support::program::Program;
use crate::support::{Client, TestApp, log};

/// Asks under a request id of the test's.
async fn ask(client: &Client, id: &str, path: &str) {
    let request = client.request(Method::GET, path);
    client.send(request.header("x-request-id", id)).await;
}

/// The lines of the log that tell of this request at this level.
fn lines_of(text: &str, id: &str, level: &str) -> Vec<Value> {
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["request_id"] == id && line["level"] == level)
        .collect()
}

#[tokio::test]
async fn each_request_has_one_line_with_its_route_its_sender_and_its_cost() {
    use diesel::prelude::*;
    let app = TestApp::start().await;
    let program = Program::start(&app, &["serve", "--no-jobs"]);
    program.ready().await;
    let (anon, learner) = (program.at(&app.anon()), program.at(&app.learner("one")));
    learner.get("/v1/me").await.expect(200);
    ask(&learner, "mine", "/v1/me/purchases?limit=7").await;
    ask(&anon, "strangers", "/v1/products").await;
    ask(&anon, "nowhere", "/hunter2").await;
    let id: Uuid = users::table.select(users::id).first(&mut app.db()).unwrap();
    let text = program.stop().await;

    let mine = lines_of(&text, "mine", "INFO");
    assert_eq!(mine.len(), 1, "{mine:?}");
    let line = &mine[0];
    assert_eq!(line["message"], "answered");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/v1/me/purchases");
    assert_eq!(line["status"], 200);
    assert_eq!(line["user_id"], id.to_string());
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32, "{line}");
    assert!(line["statements"].as_u64().unwrap() > 0, "{line}");
    let database = line["database_ms"].as_f64().unwrap();
    assert!(database > 0.0, "{line}");
    assert!(line["duration_ms"].as_f64().unwrap() > database, "{line}");

    let strangers = lines_of(&text, "strangers", "INFO");
    assert_eq!(strangers.len(), 1, "{strangers:?}");
    assert_eq!(strangers[0]["route"], "/v1/products");
    assert_eq!(strangers[0]["user_id"], Value::Null);

    let nowhere = lines_of(&text, "nowhere", "INFO");
    assert_eq!(nowhere.len(), 1, "{nowhere:?}");
    assert_eq!(nowhere[0]["route"], "none");
    assert_eq!(nowhere[0]["status"], 404);
    assert_eq!(nowhere[0]["statements"], 0);
    app.finish().await;
}

#[tokio::test]
async fn what_goes_wrong_in_a_request_is_logged_under_its_ids() {
    let app = TestApp::start().await;
    let program = Program::start(&app, &["serve", "--no-jobs"]);
    program.ready().await;
    let forged = program.at(&app.with_token("forged"));
    ask(&forged, "forged", "/v1/me").await;
    let text = program.stop().await;
    let told = lines_of(&text, "forged", "INFO");
    let reasons = lines_of(&text, "forged", "DEBUG");
    let reason = reasons
        .iter()
        .find(|line| line["message"] == "session token refused")
        .unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["status"], 401);
    assert_eq!(reason["trace_id"], told[0]["trace_id"]);
    app.finish().await;
}

/// H: A23
#[tokio::test]
async fn every_line_of_the_tests_is_looked_at_for_secrets() {
    let app = TestApp::start().await;
    log::count("looked-at");
    ask(&app.anon(), "looked-at", "/v1/products").await;
    assert!(log::counted("looked-at") > 0);
    let token = app.learner("one").token.unwrap();
    for secret in [
        STRIPE_SECRET_KEY,
        STRIPE_WEBHOOK_SECRET,
        CLERK_WEBHOOK_SECRET,
        &token,
        "learner-1@example.com",
    ] {
        let line = format!(r#"{{"level":"DEBUG","message":"asked with {secret}"}}"#);
        assert!(log::secret_in(&line).is_some(), "{line}");
    }
    app.finish().await;
}
