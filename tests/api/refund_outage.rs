//! Refunds that meet a second click, a hundred others, or a Stripe that does not answer: made exactly once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use lectern::dev::stripe::{Fault, Trouble};
use serde_json::json;

use crate::support::refunding::{Sale, refunds_at_stripe};
use crate::support::{Shop, TestApp};

const REFUNDS: &str = "POST /v1/refunds";

/// H: D2
#[tokio::test]
async fn a_hundred_refunds_at_once_never_give_back_more_than_was_paid() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let part = json!({ "amountInCents": 100 });
    let replies = join_all((0..100).map(|_| sale.ask_refund(part.clone()))).await;
    let mut answers = BTreeMap::new();
    for reply in replies {
        *answers.entry(reply.status.as_u16()).or_insert(0) += 1;
        if reply.status == 409 {
            assert!(
                ["refund-too-large", "already-refunded"]
                    .contains(&reply.body["code"].as_str().unwrap()),
                "{}",
                reply.text
            );
        }
    }
    assert_eq!(answers, BTreeMap::from([(201, 49), (409, 51)]));
    app.settle().await;
    sale.holds(4900, "refunded", false).await;
    assert_eq!(app.count("refunds WHERE status = 'succeeded'"), 49);
    assert_eq!(refunds_at_stripe(&app).await.len(), 49);
    app.finish().await;
}

/// H: D2
#[tokio::test]
async fn one_refund_comes_of_one_key_however_often_it_is_sent() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let path = sale.refunds();
    let part = json!({ "amountInCents": 100 });
    let clicks = (0..10).map(|_| sale.admin.refund(&path, part.clone(), "click"));
    let mut made = Vec::new();
    for reply in join_all(clicks).await {
        match reply.status.as_u16() {
            201 => made.push(reply.expect(201)["id"].clone()),
            _ => drop(reply.expect_problem(409, "idempotency-key-in-use")),
        }
    }
    let later = sale.admin.refund(&path, part, "click").await;
    made.push(later.expect(201)["id"].clone());
    made.dedup();
    assert_eq!(made.len(), 1);
    app.settle().await;
    sale.holds(100, "partially_refunded", true).await;
    assert_eq!(refunds_at_stripe(&app).await.len(), 1);
    app.finish().await;
}

/// H: D1
#[tokio::test]
async fn a_refund_is_made_once_whatever_stripes_answers_come_to() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, fault, at_once) in [
        (
            "broken",
            Fault::before_effect(REFUNDS, Trouble::Status(500)),
            true,
        ),
        (
            "broken-late",
            Fault::after_effect(REFUNDS, Trouble::Status(500)),
            true,
        ),
        (
            "dropped",
            Fault::before_effect(REFUNDS, Trouble::Drop),
            true,
        ),
        (
            "dropped-late",
            Fault::after_effect(REFUNDS, Trouble::Drop),
            true,
        ),
        (
            "out",
            Fault::before_effect(REFUNDS, Trouble::Status(503)).times(3),
            false,
        ),
        (
            "out-late",
            Fault::after_effect(REFUNDS, Trouble::Drop).times(3),
            false,
        ),
        (
            "key",
            Fault::before_effect(REFUNDS, Trouble::Status(401)),
            false,
        ),
    ] {
        let sale = Sale::of(&app, &shop, name).await;
        app.stripe.inject(fault);
        let refund = sale.refund(json!({})).await;
        let status = if at_once { "succeeded" } else { "pending" };
        assert_eq!(refund["status"], status, "{name}");
        sale.holds(4900, "refunded", false).await;
        app.stripe.clear_faults();
        app.work().await;
        app.work_again().await;
        let path = format!("/v1/admin/refunds/{}", refund["id"].as_str().unwrap());
        let now = sale.admin.get(&path).await.expect(200);
        assert_eq!(now["status"], "succeeded", "{name}");
        app.settle().await;
        sale.holds(4900, "refunded", false).await;
        let made = refunds_at_stripe(&app).await;
        let of_sale = made.iter().filter(|made| made["charge"] == sale.charge);
        assert_eq!(of_sale.count(), 1, "{name}");
    }
    assert_eq!(app.count("refunds"), 7);
    app.finish().await;
}

/// H: D1
#[tokio::test]
async fn a_refund_that_hangs_at_stripe_is_made_all_the_same() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    app.stripe
        .inject(Fault::after_effect(REFUNDS, Trouble::Hang));
    let refund = sale.refund(json!({})).await;
    assert_eq!(refund["status"], "succeeded");
    app.settle().await;
    assert_eq!(refunds_at_stripe(&app).await.len(), 1);
    app.finish().await;
}

/// H: D1
#[tokio::test]
async fn an_intent_that_a_crash_left_behind_is_carried_out_by_the_worker() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, at_stripe) in [("before", false), ("after", true)] {
        let sale = Sale::of(&app, &shop, name).await;
        let fault = if at_stripe {
            Fault::after_effect
        } else {
            Fault::before_effect
        };
        app.stripe
            .inject(fault(REFUNDS, Trouble::Status(503)).times(3));
        let refund = sale.refund(json!({ "amountInCents": 900 })).await;
        assert_eq!(refund["status"], "pending", "{name}");
        app.stripe.clear_faults();
        app.hold_events();
        let asked = app.stripe.count(REFUNDS);
        // Long after Stripe has forgotten the key.
        app.sql(
            "ALTER TABLE refunds DISABLE TRIGGER keep_audit_columns;
             UPDATE refunds SET created_at = created_at - interval '3 days';
             ALTER TABLE refunds ENABLE TRIGGER keep_audit_columns",
        );
        app.work_again().await;
        sale.holds(900, "partially_refunded", true).await;
        assert_eq!(app.count("refunds WHERE status = 'pending'"), 0, "{name}");
        // What is there already is found, whatever has become of its key.
        let again = if at_stripe { 0 } else { 1 };
        assert_eq!(app.stripe.count(REFUNDS), asked + again, "{name}");
        let made = refunds_at_stripe(&app).await;
        let of_sale = made.iter().filter(|made| made["charge"] == sale.charge);
        assert_eq!(of_sale.count(), 1, "{name}");
    }
    app.finish().await;
}
