//! Events that are genuine and not this store's.

use serde_json::{Value, json};

use crate::support::buying::{event, open, paid, session_event};
use crate::support::lists::{each, rows_of};
use crate::support::{Shop, TestApp};

/// Why events were ignored, the last one first.
async fn reasons(app: &TestApp) -> Vec<String> {
    let ignored = "/v1/admin/webhook-events?status=ignored&limit=100";
    each(&json!(rows_of(app.admin().get(ignored).await)), "lastError")
}

fn created(id: &str, instance: Value) -> Value {
    json!({ "type": "user.created", "instance_id": instance, "data": { "id": id } })
}

/// H: A18
#[tokio::test]
async fn the_first_instance_of_clerk_that_is_heard_of_is_ours_and_others_are_ignored() {
    let app = TestApp::start().await;
    for (id, instance, people) in [
        ("user_1", json!(null), 1),
        ("user_2", json!("ins_ours"), 2),
        ("user_3", json!("ins_other"), 2),
        ("user_4", json!("ins_ours"), 3),
        ("user_5", json!(7), 4),
    ] {
        let told = created(id, instance);
        assert_eq!(app.clerk.deliver(&told).await.unwrap(), 200);
        app.work().await;
        assert_eq!(
            app.count("users WHERE clerk_user_id LIKE 'user\\__'"),
            people,
            "{id}"
        );
    }
    let gone =
        json!({ "type": "user.deleted", "instance_id": "ins_other", "data": { "id": "user_2" } });
    assert_eq!(app.clerk.deliver(&gone).await.unwrap(), 200);
    app.work().await;
    assert_eq!(app.count("users WHERE deleted_at IS NOT NULL"), 0);
    assert_eq!(
        reasons(&app).await,
        ["the event is of another Clerk instance"; 2]
    );
    let counted = r#"lectern_webhook_events_ignored_total{provider="clerk",reason="the event is of another Clerk instance"} 2"#;
    assert!(app.anon().get("/metrics").await.text.contains(counted));

    // A store that moves to another instance has another issuer, under which the first one counts again.
    app.sql("UPDATE webhook_sources SET issuer = 'https://clerk.elsewhere.example.com'");
    let told = created("user_6", json!("ins_other"));
    assert_eq!(app.clerk.deliver(&told).await.unwrap(), 200);
    app.work().await;
    assert_eq!(app.count("users WHERE clerk_user_id = 'user_6'"), 1);
    assert_eq!(app.count("webhook_sources"), 2);
    app.finish().await;
}

/// H: A18
#[tokio::test]
async fn an_event_of_a_connected_account_of_stripe_is_ignored() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let mut told = session_event(&app, &checkout, "checkout.session.completed", &paid());
    told["account"] = json!("acct_1");
    app.hear([&told]).await;
    assert_eq!(app.count("purchases"), 0);
    assert_eq!(
        reasons(&app).await,
        ["the event is of another Stripe account"]
    );
    app.finish().await;
}

/// H: A16, A19
#[tokio::test]
async fn whatever_is_wrong_with_an_event_it_is_kept_answered_and_shown_with_the_reason() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let completed = "checkout.session.completed";
    let with = |changes: Value| session_event(&app, &checkout, completed, &changes);
    let mut without_object = event(completed, &json!({}));
    without_object.as_object_mut().unwrap().remove("data");
    let mut live = with(paid());
    live["livemode"] = json!(true);
    let events = [
        (
            event("plan.created", &json!({})),
            "events of this type are not used",
        ),
        (event("", &json!({})), "events of this type are not used"),
        (without_object, "the event has no object"),
        (
            event(completed, &json!({ "object": "checkout.session" })),
            "the event names no checkout session",
        ),
        (
            event(completed, &json!({ "id": null })),
            "the event names no checkout session",
        ),
        (
            event(completed, &json!({ "id": { "id": "cs_1" } })),
            "the event names no checkout session",
        ),
        (
            event(completed, &json!({ "id": "cs_foreign" })),
            "the session was not opened by this store",
        ),
        (
            event(
                completed,
                &json!({ "id": "cs_foreign", "metadata": { "checkoutId": "1" } }),
            ),
            "the session was not opened by this store",
        ),
        (live, "the event is not of the mode of the store's key"),
    ];
    let told: Vec<_> = events.iter().map(|(event, _)| event).collect();
    app.hear(told).await;
    let mut wanted: Vec<_> = events.iter().map(|(_, reason)| *reason).collect();
    wanted.reverse();
    assert_eq!(reasons(&app).await, wanted);
    assert_eq!(app.count("webhook_events WHERE attempts <> 1"), 0);
    assert_eq!(app.count("purchases"), 0);

    // Other money than was asked for is booked as it is, flagged, and opens nothing.
    let foreign_money = json!({
        "status": "complete", "payment_status": "paid", "payment_intent": null, "currency": "eur",
    });
    app.hear([&with(foreign_money)]).await;
    let flagged = "purchases WHERE currency = 'eur' AND flags = '{amount-mismatch}'";
    assert_eq!(app.count(flagged), 1);
    assert_eq!(app.count("user_course_access"), 0);
    app.finish().await;
}
