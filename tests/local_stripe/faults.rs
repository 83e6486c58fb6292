//! Injected faults, and whether the request took effect all the same.

use std::time::Duration;

use lectern::dev::stripe::{Fault, Trouble};
use reqwest::Method;

use crate::support::{Stand, form};

const SESSIONS: &str = "/v1/checkout/sessions";
const CREATE: &str = "POST /v1/checkout/sessions";

async fn sessions(stand: &Stand) -> usize {
    stand.object(SESSIONS).await["data"]
        .as_array()
        .unwrap()
        .len()
}

/// How a creation under the key fails at the client, who waits no longer than 300 ms.
async fn failure(stand: &Stand) -> reqwest::Error {
    let request = stand.request(Method::POST, SESSIONS).form(&form(&[]));
    let request = request
        .header("Idempotency-Key", "key-1")
        .timeout(Duration::from_millis(300));
    request
        .send()
        .await
        .expect_err("no head of an answer arrives")
}

#[actix_web::test]
async fn a_status_is_answered_as_often_as_it_was_asked_for_and_without_effect() {
    let stand = Stand::start();
    stand
        .stripe
        .inject(Fault::before_effect(CREATE, Trouble::Status(500)).times(2));
    stand
        .stripe
        .inject(Fault::before_effect(CREATE, Trouble::Status(429)));
    stand
        .stripe
        .inject(Fault::before_effect(CREATE, Trouble::Status(409)));
    let kinds = [
        "api_error",
        "api_error",
        "invalid_request_error",
        "idempotency_error",
    ];
    for (status, kind) in [500, 500, 429, 409].into_iter().zip(kinds) {
        let reply = stand.post_with_key("key-1", SESSIONS, &form(&[])).await;
        assert_eq!(reply.refused(status)["type"], kind);
    }
    assert_eq!(sessions(&stand).await, 0);
    stand
        .post_with_key("key-1", SESSIONS, &form(&[]))
        .await
        .ok();
}

#[actix_web::test]
async fn a_fault_meets_only_the_requests_that_its_pattern_names() {
    let stand = Stand::start();
    stand.stripe.inject(Fault::before_effect(
        "GET /v1/refunds/*",
        Trouble::Status(503),
    ));
    stand.open().await;
    stand.get("/v1/refunds").await.ok();
    stand.get("/v1/refunds/re_1").await.refused(503);
    stand.get("/v1/refunds/re_1").await.refused(404);
    stand
        .stripe
        .inject(Fault::before_effect("* /v1/refunds", Trouble::Status(503)).times(9));
    stand.get("/v1/refunds").await.refused(503);
    stand.stripe.clear_faults();
    stand.get("/v1/refunds").await.ok();
}

#[actix_web::test]
async fn a_hanging_request_lasts_as_long_as_the_client_has_patience() {
    let stand = Stand::start();
    stand
        .stripe
        .inject(Fault::before_effect(CREATE, Trouble::Hang));
    assert!(failure(&stand).await.is_timeout());
    assert_eq!(sessions(&stand).await, 0);
    stand
        .stripe
        .inject(Fault::after_effect(CREATE, Trouble::Hang));
    assert!(failure(&stand).await.is_timeout());
    assert_eq!(sessions(&stand).await, 1);
}

#[actix_web::test]
async fn a_connection_dropped_before_the_effect_leaves_nothing_behind() {
    let stand = Stand::start();
    stand
        .stripe
        .inject(Fault::before_effect(CREATE, Trouble::Drop));
    assert!(!failure(&stand).await.is_timeout());
    assert_eq!(sessions(&stand).await, 0);
    let retried = stand.post_with_key("key-1", SESSIONS, &form(&[])).await;
    assert_eq!(retried.header("idempotent-replayed"), None);
    retried.ok();
}

#[actix_web::test]
async fn a_connection_dropped_after_the_effect_keeps_the_answer_for_the_key() {
    let stand = Stand::start();
    stand
        .stripe
        .inject(Fault::after_effect(CREATE, Trouble::Drop));
    assert!(!failure(&stand).await.is_timeout());
    assert_eq!(sessions(&stand).await, 1);
    let retried = stand.post_with_key("key-1", SESSIONS, &form(&[])).await;
    assert_eq!(retried.header("idempotent-replayed"), Some("true"));
    retried.ok();
    assert_eq!(sessions(&stand).await, 1);
    assert_eq!(stand.stripe.count(CREATE), 2);
}
