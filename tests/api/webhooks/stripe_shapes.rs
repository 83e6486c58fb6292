//! Events of other shapes than the usual one.

use lectern::dev::stripe::Outcome;
use serde_json::{Value, json};

use crate::support::buying::{event, open, session_event};
use crate::support::refunding::thin_event;
use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

/// H: A17
#[tokio::test]
async fn a_thin_event_is_a_reason_to_read_its_session() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let pay_later = |session: &str, succeeds: bool| {
        app.stripe.pay(session, Outcome::Delayed).unwrap();
        app.stripe.settle(session, succeeds)
    };
    for (name, kind, status) in [
        ("one", "checkout.session.completed", "fulfilled"),
        (
            "two",
            "checkout.session.async_payment_succeeded",
            "fulfilled",
        ),
        ("three", "checkout.session.async_payment_failed", "failed"),
        ("four", "checkout.session.expired", "expired"),
    ] {
        let checkout = open(&app.learner(name), shop.order()).await;
        let session = session_of(&app, &checkout);
        let undergone = match kind {
            "checkout.session.completed" => app.stripe.pay(&session, Outcome::Paid),
            "checkout.session.expired" => app.stripe.expire(&session),
            delayed => pay_later(&session, delayed.ends_with("succeeded")),
        };
        undergone.unwrap();
        app.hold_events();
        app.hear([&thin_event(kind, "checkout.session", &session)])
            .await;
        let moved =
            format!("checkouts WHERE stripe_session_id = '{session}' AND status = '{status}'");
        assert_eq!(app.count(&moved), 1, "{kind}");
    }
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
