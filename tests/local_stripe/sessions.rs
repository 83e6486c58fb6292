//! Making, reading and expiring checkout sessions.

use lectern::dev::stripe::Outcome;
use serde_json::json;

use crate::support::{RETURN_URL, Stand, id};

const EMBEDDED: [(&str, &str); 3] = [
    ("ui_mode", "embedded_page"),
    ("success_url", ""),
    ("return_url", RETURN_URL),
];

#[actix_web::test]
async fn a_hosted_session_has_a_page_and_no_client_secret() {
    let stand = Stand::start();
    let session = stand
        .create(&[
            ("cancel_url", "https://shop.example.com/cart"),
            ("client_reference_id", "order-1"),
            ("customer_email", "ada@example.com"),
            ("metadata[checkoutId]", "c-1"),
        ])
        .await
        .ok();
    let page = format!("{}/pay/{}", stand.url, id(&session));
    assert_eq!(session["url"], page);
    assert_eq!(session["client_secret"], json!(null));
    assert_eq!(session["status"], "open");
    assert_eq!(session["payment_status"], "unpaid");
    assert_eq!(session["payment_intent"], json!(null));
    assert_eq!(session["amount_total"], 2000);
    assert_eq!(session["success_url"], RETURN_URL);
    assert_eq!(session["cancel_url"], "https://shop.example.com/cart");
    assert_eq!(session["client_reference_id"], "order-1");
    assert_eq!(session["customer_email"], "ada@example.com");
    assert_eq!(session["metadata"], json!({ "checkoutId": "c-1" }));
    let again = stand
        .object(&format!("/v1/checkout/sessions/{}", id(&session)))
        .await;
    assert_eq!(again, session);
}

#[actix_web::test]
async fn an_embedded_or_elements_session_has_a_client_secret_and_no_page() {
    let stand = Stand::start();
    for ui_mode in ["embedded_page", "elements"] {
        let changes = [("ui_mode", ui_mode), EMBEDDED[1], EMBEDDED[2]];
        let session = stand.create(&changes).await.ok();
        let secret = session["client_secret"].as_str().unwrap();
        assert!(secret.starts_with(&format!("{}_secret_", id(&session))));
        assert_eq!(session["url"], json!(null));
        assert_eq!(session["ui_mode"], ui_mode);
        assert_eq!(session["return_url"], RETURN_URL);
        assert_eq!(session["success_url"], json!(null));
    }
}

#[actix_web::test]
async fn each_ui_mode_requires_its_url_and_forbids_the_others() {
    let stand = Stand::start();
    let elements = [("ui_mode", "elements"), EMBEDDED[1], EMBEDDED[2]];
    let other = "https://shop.example.com/other";
    for (base, change, param) in [
        (&[][..], ("success_url", ""), "success_url"),
        (&[], ("return_url", other), "return_url"),
        (&EMBEDDED[..2], ("return_url", ""), "return_url"),
        (&EMBEDDED[..1], ("return_url", other), "success_url"),
        (&EMBEDDED, ("cancel_url", other), "cancel_url"),
        (&elements[..2], ("return_url", ""), "return_url"),
        (&elements, ("cancel_url", other), "cancel_url"),
        (&[], ("ui_mode", "popup"), "ui_mode"),
        (&[], ("success_url", "shop.example.com"), "success_url"),
        (&[], ("success_url", "javascript:alert(1)"), "success_url"),
    ] {
        let error = stand.create(&[base, &[change]].concat()).await.refused(400);
        assert_eq!(error["type"], "invalid_request_error", "{error}");
        assert_eq!(error["param"], param, "{error}");
    }
    assert_eq!(stand.stripe.count("POST /v1/checkout/sessions"), 10);
    assert_eq!(
        stand.object("/v1/checkout/sessions").await["data"],
        json!([])
    );
}

#[actix_web::test]
async fn what_a_session_cannot_do_without_is_named() {
    let stand = Stand::start();
    for (change, code, param) in [
        (("mode", ""), "parameter_missing", "mode"),
        (
            ("line_items[0][quantity]", ""),
            "parameter_missing",
            "line_items[0][quantity]",
        ),
        (
            ("line_items[0][price_data][unit_amount]", "9.99"),
            "parameter_invalid_integer",
            "line_items[0][price_data][unit_amount]",
        ),
        (
            ("customer_email", "nobody"),
            "email_invalid",
            "customer_email",
        ),
        (("surprise", "1"), "parameter_unknown", "surprise"),
    ] {
        let error = stand.create(&[change]).await.refused(400);
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!(code), &json!(param))
        );
    }
}

#[actix_web::test]
async fn a_session_lasts_between_half_an_hour_and_a_day() {
    let stand = Stand::start();
    let now = chrono::Utc::now().timestamp();
    for seconds in [29 * 60, 24 * 60 * 60 + 60] {
        let at = (now + seconds).to_string();
        let error = stand.create(&[("expires_at", &at)]).await.refused(400);
        assert_eq!(error["param"], "expires_at");
    }
    let at = now + 45 * 60;
    let session = stand.create(&[("expires_at", &at.to_string())]).await.ok();
    assert_eq!(session["expires_at"], at);
    let default = stand.create(&[]).await.ok()["expires_at"].as_i64().unwrap() - now;
    assert!(
        (24 * 60 * 60..24 * 60 * 60 + 60).contains(&default),
        "{default}"
    );
}

#[actix_web::test]
async fn an_open_session_expires_once_and_says_so() {
    let stand = Stand::start();
    let open = stand.open().await;
    let path = format!("/v1/checkout/sessions/{open}/expire");
    let session = stand.post(&path, &[]).await.ok();
    assert_eq!(session["status"], "expired");
    assert_eq!(session["payment_status"], "unpaid");
    assert_eq!(session["url"], json!(null));
    assert_eq!(stand.event_types(0), ["checkout.session.expired"]);
    assert_eq!(stand.snapshot("checkout.session.expired"), session);
    let error = stand.post(&path, &[]).await.refused(400);
    assert!(
        error["message"].as_str().unwrap().contains("expired"),
        "{error}"
    );
    assert!(stand.stripe.pay(&open, Outcome::Paid).is_err());
    assert_eq!(stand.event_types(0).len(), 1);
}

#[actix_web::test]
async fn a_paid_session_cannot_expire() {
    let stand = Stand::start();
    let (session, _) = stand.paid().await;
    let path = format!("/v1/checkout/sessions/{session}/expire");
    stand.post(&path, &[]).await.refused(400);
    let session = stand
        .object(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(session["status"], "complete");
}
