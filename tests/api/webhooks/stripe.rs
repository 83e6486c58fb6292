//! Receiving Stripe's events: proof of origin, the inbox, and what becomes of an event that cannot be handled.

use std::time::{Duration, Instant};

use chrono::Utc;
use lectern::jobs::worker;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::STRIPE_WEBHOOK_SECRET as SECRET;
use crate::support::buying::{event, has_access, look, open, paid, session_event};
use crate::support::{Reply, Shop, TestApp, sign_stripe};

const WEBHOOK: &str = "/v1/webhooks/stripe";
const COMPLETED: &str = "checkout.session.completed";

/// Sends a body under a signature header, or none.
async fn send(app: &TestApp, signature: Option<&[u8]>, body: &[u8]) -> Reply {
    let sender = app.anon();
    let mut request = sender.request(Method::POST, WEBHOOK).body(body.to_vec());
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    sender.send(request).await
}

/// A header that is right now, under the harness's secret.
fn signed(body: &[u8]) -> String {
    sign_stripe(SECRET, Utc::now().timestamp(), body)
}

/// The recorded event, as Stripe would write it.
fn body() -> String {
    event("plan.created", &json!({ "object": "plan" })).to_string()
}

/// H: A1, A4
#[tokio::test]
async fn a_body_that_stripe_did_not_sign_just_now_is_refused_and_not_stored() {
    let app = TestApp::start().await;
    let body = body();
    let bytes = body.as_bytes();
    let now = Utc::now().timestamp();
    let genuine = signed(bytes);
    let tag = genuine.split_once("v1=").unwrap().1;
    let spaced = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap());
    let spaced = spaced.unwrap();
    for (what, signature, body) in [
        ("no header", None, bytes),
        ("an empty header", Some(String::new()), bytes),
        ("no tag", Some(format!("t={now}")), bytes),
        ("no time", Some(format!("v1={tag}")), bytes),
        (
            "another time",
            Some(format!("t={},v1={tag}", now - 9)),
            bytes,
        ),
        ("another scheme", Some(format!("t={now},v0={tag}")), bytes),
        (
            "half a tag",
            Some(format!("t={now},v1={}", &tag[..32])),
            bytes,
        ),
        (
            "another secret",
            Some(sign_stripe("whsec_other", now, bytes)),
            bytes,
        ),
        ("an empty secret", Some(sign_stripe("", now, bytes)), bytes),
        ("another body", Some(genuine.clone()), b"{}"),
        (
            "the same JSON, written anew",
            Some(genuine.clone()),
            spaced.as_bytes(),
        ),
        (
            "too old",
            Some(sign_stripe(SECRET, now - 301, bytes)),
            bytes,
        ),
        (
            "too new",
            Some(sign_stripe(SECRET, now + 330, bytes)),
            bytes,
        ),
        ("no text at all", Some(genuine.clone()), b"\xff\xfe\x00"),
    ] {
        let reply = send(&app, signature.as_deref().map(str::as_bytes), body).await;
        assert_eq!(reply.status, 400, "{what}");
        reply.expect_problem(400, "bad-signature");
    }
    let reply = send(&app, Some(b"t=\xff,v1=\xff"), bytes).await;
    reply.expect_problem(400, "bad-signature");
    assert_eq!(app.count("webhook_events"), 0);

    for time in [now - 290, now + 290] {
        let header = sign_stripe(SECRET, time, bytes);
        let reply = send(&app, Some(header.as_bytes()), bytes).await;
        assert_eq!(reply.expect(200), json!({ "received": true }));
    }
    assert_eq!(app.count("webhook_events"), 1);
    app.finish().await;
}

/// H: A1
#[tokio::test]
async fn what_is_signed_but_no_event_is_refused_without_harm() {
    let app = TestApp::start().await;
    for body in [
        &b"\xff\xfe\x00"[..],
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        br#"{"id":"evt_1"}"#,
        br#"{"type":"plan.created"}"#,
        br#"{"id":7,"type":"plan.created"}"#,
    ] {
        let reply = send(&app, Some(signed(body).as_bytes()), body).await;
        reply.expect_problem(400, "malformed-request");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = deep.as_bytes();
    let reply = send(&app, Some(signed(deep).as_bytes()), deep).await;
    reply.expect_problem(400, "malformed-request");
    assert_eq!(app.count("webhook_events"), 0);
    app.finish().await;
}

/// H: A3
#[tokio::test]
async fn a_secret_can_be_rolled_without_losing_an_event() {
    let secrets = format!("whsec_new, {SECRET}");
    let app = TestApp::start_with(&[("STRIPE_WEBHOOK_SECRETS", &secrets)]).await;
    let now = Utc::now().timestamp();
    let tag = |secret: &str, body: &str| {
        let header = sign_stripe(secret, now, body.as_bytes());
        header.split_once(',').unwrap().1.to_owned()
    };
    for secrets in [
        &["whsec_new"][..],
        &[SECRET],
        &[SECRET, "whsec_new"],
        &["whsec_unknown", SECRET],
    ] {
        let body = body();
        let tags: Vec<_> = secrets.iter().map(|secret| tag(secret, &body)).collect();
        let header = format!("t={now},{},v0=abcd", tags.join(","));
        let reply = send(&app, Some(header.as_bytes()), body.as_bytes()).await;
        reply.expect(200);
    }
    assert_eq!(app.count("webhook_events"), 4);
    app.finish().await;
}

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
    app.hear(&[told.clone()]).await;
    app.hear(&[told]).await;
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
    app.hear(&[told.clone()]).await;
    app.mend();
    app.work().await;
    assert_eq!(app.count("purchases"), 0);
    app.hear(&[told]).await;
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
    app.hear(&[told.clone()]).await;
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

/// H: A14
#[tokio::test]
async fn a_body_that_is_too_large_or_compressed_is_refused() {
    let app = TestApp::start().await;
    let large = vec![b' '; 512 * 1024 + 1];
    let reply = send(&app, Some(signed(&large).as_bytes()), &large).await;
    reply.expect_problem(413, "payload-too-large");

    let sender = app.anon();
    let body = body();
    let request = sender
        .request(Method::POST, WEBHOOK)
        .header("stripe-signature", signed(body.as_bytes()))
        .header("content-encoding", "gzip");
    let reply = sender.send(request.body(body)).await;
    reply.expect_problem(415, "unsupported-media-type");
    assert_eq!(app.count("webhook_events"), 0);

    let mut full = event("plan.created", &json!({}));
    let rest = 512 * 1024 - full.to_string().len() - r#","padding":"""#.len();
    full["padding"] = json!("x".repeat(rest));
    assert_eq!(full.to_string().len(), 512 * 1024);
    app.hear(&[full]).await;
    app.finish().await;
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

/// H: A21
#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let app = TestApp::start().await;
    let (sender, body) = (app.anon(), body());
    for path in ["/v1/webhooks/stripe/", "//v1/webhooks/stripe"] {
        let request = sender
            .request(Method::POST, path)
            .header("stripe-signature", signed(body.as_bytes()));
        sender.send(request.body(body.clone())).await.expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_nul_in_an_event_is_left_out_and_the_rest_is_kept() {
    let app = TestApp::start().await;
    let mut told = event(
        "plan\0.created",
        &json!({ "na\0me": "nobody", "text": "a\0b" }),
    );
    told["id"] = json!("evt_\0nul");
    app.hear(&[told]).await;
    let stored = r#"webhook_events WHERE event_id = 'evt_nul' AND type = 'plan.created'
        AND payload #> '{data,object}' = '{"text": "ab"}'"#;
    assert_eq!(app.count(stored), 1);
    app.finish().await;
}
