//! Events of other shapes than the usual one.

use lectern::dev::stripe::Outcome;
use serde_json::{Value, json};

use crate::support::buying::{event, look, open, session_event};
use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

/// H: A17
#[tokio::test]
async fn a_thin_event_is_a_reason_to_read_its_object() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let thin = json!({
        "id": "evt_thin", "object": "v2.core.event", "type": "v1.checkout.session.completed", "livemode": false,
        "related_object": { "id": session, "type": "checkout.session", "url": format!("/v1/checkout/sessions/{session}") },
    });
    app.hear([&thin]).await;
    assert_eq!(app.count("purchases"), 1);
    assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
    app.settle().await;
    app.finish().await;
}

/// H: A18
#[tokio::test]
async fn an_event_of_the_other_mode_is_accepted_and_ignored() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let changes = json!({ "status": "complete", "payment_status": "paid" });
    let mut told = session_event(&app, &checkout, "checkout.session.completed", &changes);
    told["livemode"] = json!(true);
    app.hear([&told]).await;
    assert_eq!(app.count("purchases"), 0);
    assert_eq!(app.count("webhook_events WHERE status = 'ignored'"), 1);
    app.finish().await;
}

/// H: A16, C4
#[tokio::test]
async fn a_paid_session_that_is_told_oddly_is_read_at_stripe_and_booked_as_it_is_there() {
    let odd: [(&str, Value); 6] = [
        ("amount_total", json!("4900")),
        ("amount_total", json!(-1)),
        ("amount_total", json!(99_999_999_999_i64)),
        ("currency", json!("dollars")),
        ("status", json!(null)),
        ("metadata", json!("none")),
    ];
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (index, (field, value)) in odd.into_iter().enumerate() {
        let learner = app.learner(&format!("buyer-{index}"));
        let checkout = open(&learner, shop.order()).await;
        app.stripe
            .pay(&session_of(&app, &checkout), Outcome::Paid)
            .unwrap();
        let told = session_event(
            &app,
            &checkout,
            "checkout.session.completed",
            &json!({ field: value }),
        );
        app.hear([&told]).await;
        let purchases = learner.get("/v1/me/purchases").await.expect(200);
        assert_eq!(purchases["data"][0]["pricePaidInCents"], 4900, "{field}");
    }
    let bare = event(
        "checkout.session.completed",
        &json!({ "id": "cs_of_somebody_else" }),
    );
    app.hear([&bare]).await;
    assert_eq!(app.count("purchases"), 6);
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn an_event_whose_id_no_index_could_hold_is_refused() {
    let app = TestApp::start().await;
    let mut long = event("checkout.session.completed", &json!({ "id": "cs_1" }));
    long["id"] = json!("e".repeat(10_000));
    app.stripe_event(&long)
        .await
        .expect_problem(400, "malformed-request");
    app.finish().await;
}
