//! Stripe's events in the inbox: kept once, handled once, and what becomes of one that cannot be handled.

use std::time::{Duration, Instant};

use lectern::jobs::worker;
use serde_json::{Value, json};

use crate::support::buying::{event, has_access, look, open, paid, session_event};
use crate::support::{Shop, TestApp};

const COMPLETED: &str = "checkout.session.completed";

/// H: A5
#[tokio::test]
async fn a_delivery_that_comes_again_is_accepted_and_works_once() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let told = session_event(&app, &checkout, COMPLETED, &paid());
    for _ in 0..2 {
        app.stripe_event(&told).await.expect(200);
        assert_eq!(app.count("webhook_events WHERE status = 'received'"), 1);
    }
    app.hear([&told]).await;
    app.hear([&told]).await;
    let handled = "webhook_events WHERE status = 'processed' AND attempts = 1";
    assert_eq!(app.count(handled), 1);
    assert_eq!(app.count("webhook_events"), 1);
    assert_eq!(app.count("purchases"), 1);
    app.finish().await;
}

/// H: A5
#[tokio::test]
async fn an_event_that_failed_is_worked_on_at_once_when_it_is_delivered_again() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let told = session_event(&app, &checkout, COMPLETED, &paid());
    app.break_inserts("purchases");
    app.hear([&told]).await;
    app.mend();
    app.work().await;
    assert_eq!(app.count("purchases"), 0);
    app.hear([&told]).await;
    assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
    app.finish().await;
}

/// H: A11
#[tokio::test]
async fn a_database_that_is_down_is_answered_with_503_and_the_next_delivery_is_kept() {
    let app = TestApp::start().await;
    app.stripe_event(&event("plan.created", &json!({})))
        .await
        .expect(200);
    app.work().await;
    let told = event("plan.created", &json!({}));
    app.cut_database();
    for _ in 0..3 {
        let begun = Instant::now();
        let reply = app.stripe_event(&told).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
        reply.expect_problem(503, "database-unavailable");
    }
    app.restore_database();
    app.stripe_event(&told).await.expect(200);
    assert_eq!(app.count("webhook_events"), 2);
    app.finish().await;
}

/// H: A13
#[tokio::test]
async fn a_poisoned_event_is_tried_ever_more_rarely_then_laid_aside_and_blocks_nobody() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (poor, lucky) = (app.learner("poor"), app.learner("lucky"));
    let poisoned = open(&poor, shop.order()).await;
    let id = poisoned["id"].as_str().unwrap();
    app.sql(&format!(
        "ALTER TABLE purchases ADD CONSTRAINT poison CHECK (checkout_id <> '{id}')"
    ));
    let told = session_event(&app, &poisoned, COMPLETED, &paid());
    app.hear([&told]).await;
    shop.buy(&app, &lucky).await;
    assert!(has_access(&lucky, &shop.course).await);

    for attempt in 1..12 {
        // At least half of 2 s, doubled each time, up to an hour.
        let pause = (1 << attempt).min(1800);
        let waiting = format!(
            "webhook_events WHERE status = 'received' AND attempts = {attempt}
             AND due_at > updated_at + interval '{pause} s' - interval '1 s'
             AND due_at < updated_at + interval '1 hour 1 s'"
        );
        assert_eq!(app.count(&waiting), 1, "after {attempt}");
        app.work_again().await;
    }
    let dead = "webhook_events WHERE status = 'dead' AND attempts = 12
        AND last_error IS NOT NULL AND processed_at IS NULL";
    assert_eq!(app.count(dead), 1);
    app.stripe_event(&told).await.expect(200);
    app.work_again().await;
    assert_eq!(app.count(dead), 1);
    assert_eq!(app.count("purchases"), 1);
    app.finish_with_work_left().await;
}

/// H: A15, A19
#[tokio::test]
async fn events_that_are_none_of_the_stores_business_are_accepted_and_ignored() {
    let app = TestApp::start().await;
    let session = include_str!("../../fixtures/stripe/checkout.session.json");
    let mut foreign: Value = serde_json::from_str(session).unwrap();
    let facts = paid();
    let fields = foreign.as_object_mut().unwrap();
    fields.extend(facts.as_object().unwrap().clone());
    let charge = include_str!("../../fixtures/stripe/charge.json");
    let charge: Value = serde_json::from_str(charge).unwrap();
    let mut events = vec![
        event("charge.succeeded", &charge),
        event("something.from.the.future", &json!({})),
        event("", &json!({})),
    ];
    for metadata in [
        json!({}),
        json!(null),
        json!({ "checkoutId": "not an id" }),
        json!({ "checkoutId": uuid::Uuid::new_v4() }),
        json!({ "checkoutId": null }),
    ] {
        foreign["metadata"] = metadata;
        events.push(event(COMPLETED, &foreign));
    }
    app.hear(&events).await;
    let ignored = "webhook_events WHERE status = 'ignored' AND attempts = 1";
    assert_eq!(app.count(ignored), events.len() as i64);
    assert_eq!(app.count("purchases"), 0);
    app.finish().await;
}

/// H: A16
#[tokio::test]
async fn an_event_of_another_api_version_is_understood_as_far_as_it_matters() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, version, changes) in [
        (
            "future",
            json!("2031-01-01.future"),
            json!({ "status": "finished", "new": [1, {}] }),
        ),
        (
            "past",
            json!("2015-10-16"),
            json!({ "metadata": {}, "status": null, "url": null }),
        ),
        (
            "none",
            json!(null),
            json!({ "payment_intent": { "id": "pi_expanded" }, "ui_mode": 7 }),
        ),
    ] {
        let learner = app.learner(name);
        let checkout = open(&learner, shop.order()).await;
        let mut facts = paid();
        let fields = facts.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        facts["payment_intent"] = changes["payment_intent"].clone();
        let mut told = session_event(&app, &checkout, COMPLETED, &facts);
        told["api_version"] = version;
        told["data"]["new"] = json!({ "field": true });
        app.stripe_event(&told).await.expect(200);
        // Only the event: there is no payment at Stripe for the job to look up.
        assert_eq!(worker::handle_due_events(&app.state).await.unwrap(), 1);
        assert_eq!(
            look(&learner, &checkout).await["status"],
            "fulfilled",
            "{name}"
        );
    }
    let expanded = "purchases WHERE stripe_payment_intent_id = 'pi_expanded'";
    assert_eq!(app.count(expanded), 1);
    app.sql("DELETE FROM jobs");

    let unreadable = [
        json!(null),
        json!([]),
        json!({}),
        json!({ "id": 7 }),
        json!("cs_1"),
    ];
    let mut events: Vec<_> = unreadable
        .iter()
        .map(|object| event(COMPLETED, object))
        .collect();
    events[0]["data"] = json!(null);
    app.hear(&events).await;
    assert_eq!(app.count("webhook_events WHERE status = 'ignored'"), 5);
    app.finish().await;
}

#[tokio::test]
async fn a_nul_in_an_event_is_left_out_and_the_rest_is_kept() {
    let app = TestApp::start().await;
    let mut told = event(
        "plan\0.created",
        &json!({ "na\0me": "nobody", "id": "a\0b" }),
    );
    told["id"] = json!("evt_\0nul");
    app.hear([&told]).await;
    let stored = r#"webhook_events WHERE event_id = 'evt_nul' AND type = 'plan.created'
        AND payload #> '{data,object}' = '{"id": "ab"}'"#;
    assert_eq!(app.count(stored), 1);
    app.finish().await;
}
