//! The door of the API: keys, paths, and Stripe's headers and errors.

use reqwest::Method;

use crate::support::{Stand, client, send};

#[actix_web::test]
async fn only_the_right_key_opens_the_api_and_no_key_is_repeated() {
    let stand = Stand::start();
    let url = format!("{}/v1/events", stand.url);
    for request in [
        client().get(&url),
        client().get(&url).bearer_auth("sk_test_wrong"),
    ] {
        let reply = send(request).await;
        assert!(!reply.text.contains("sk_test"), "{}", reply.text);
        assert_eq!(reply.refused(401)["type"], "invalid_request_error");
    }
    let reply = stand.get("/v1/events").await;
    assert!(reply.header("request-id").unwrap().starts_with("req_"));
    assert_eq!(reply.header("stripe-version"), Some("2026-09-30.endive"));
    reply.ok();
}

#[actix_web::test]
async fn a_path_that_is_not_served_is_a_404_in_stripes_shape() {
    let stand = Stand::start();
    for (method, path) in [
        (Method::GET, "/v1/nothing/here"),
        (Method::PUT, "/v1/refunds"),
        (Method::DELETE, "/v1/events/evt_1"),
        (Method::GET, "/v2/core/events"),
    ] {
        let error = send(stand.request(method, path)).await.refused(404);
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().unwrap().contains(path), "{error}");
    }
}

#[actix_web::test]
async fn an_object_that_is_missing_is_a_404_that_names_it() {
    let stand = Stand::start();
    for path in [
        "/v1/checkout/sessions/cs_test_none",
        "/v1/checkout/sessions/cs_test_none/line_items",
        "/v1/payment_intents/pi_none",
        "/v1/charges/ch_none",
        "/v1/refunds/re_none",
        "/v1/disputes/dp_none",
        "/v1/coupons/none",
        "/v1/events/evt_none",
    ] {
        let error = stand.get(path).await.refused(404);
        assert_eq!(error["code"], "resource_missing", "{path}");
        assert!(
            error["message"].as_str().unwrap().contains("none'"),
            "{error}"
        );
    }
}

#[actix_web::test]
async fn what_was_asked_can_be_read_back() {
    let stand = Stand::start();
    stand
        .post_with_key("key-1", "/v1/refunds", &[("charge", "ch_none")])
        .await
        .refused(404);
    let requests = stand.stripe.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", "/v1/refunds")
    );
    assert_eq!(requests[0].idempotency_key.as_deref(), Some("key-1"));
    assert_eq!(requests[0].form.get("charge"), Some("ch_none"));
    assert_eq!(stand.stripe.count("POST /v1/*"), 1);
    assert_eq!(stand.stripe.count("GET /v1/*"), 0);
}
