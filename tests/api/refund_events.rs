//! Refunds as Stripe tells of them: in its dashboard's wake, late, twice, in any order, or thin.

use lectern::commerce::payment;
use lectern::dev::clerk::UserEvent;
use lectern::dev::stripe::{Fault, Outcome, Trouble};
use lectern::jobs::worker;
use serde_json::{Value, json};

use crate::support::buying::{event, has_access, look, open};
use crate::support::refunding::{Sale, of_types, paid_with, refunds_at_stripe, thin_event};
use crate::support::shop::{id, session_of};
use crate::support::{Shop, TestApp};

/// H: D4, A6
#[tokio::test]
async fn what_is_refunded_in_the_dashboard_converges_whichever_event_tells_of_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, kinds) in [
        ("refund", &["refund.created"][..]),
        ("charge", &["charge.refunded"]),
        ("both", &["refund.created", "charge.refunded"]),
        ("turned", &["charge.refunded", "refund.created"]),
        (
            "twice",
            &[
                "refund.created",
                "charge.refunded",
                "refund.created",
                "charge.refunded",
            ],
        ),
    ] {
        let sale = Sale::of(&app, &shop, name).await;
        app.stripe
            .refund_from_dashboard(&sale.charge, Some(900))
            .unwrap();
        let told = app.hold_events();
        app.hear(of_types(&told, kinds)).await;
        sale.holds(900, "partially_refunded", true).await;
        app.stripe
            .refund_from_dashboard(&sale.charge, None)
            .unwrap();
        let told = app.hold_events();
        app.hear(of_types(&told, kinds)).await;
        sale.holds(4900, "refunded", false).await;
        let list = sale.admin.get(&sale.refunds()).await.expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), 2, "{name}");
        assert_eq!(list["data"][0]["requestedBy"], Value::Null);
        assert_eq!(list["data"][0]["status"], "succeeded");
    }
    app.finish().await;
}

/// H: D3, A16
#[tokio::test]
async fn a_charge_of_an_older_api_version_brings_its_refunds_along() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let refund = app
        .stripe
        .refund_from_dashboard(&sale.charge, Some(900))
        .unwrap();
    app.hold_events();
    let mut charge = app.stripe.object(&sale.charge).unwrap();
    charge["refunds"] = json!({ "object": "list", "data": [refund], "has_more": false });
    let mut told = event("charge.refunded", &charge);
    told["api_version"] = json!("2019-09-09");
    app.hear([&told]).await;
    sale.holds(900, "partially_refunded", true).await;
    app.finish().await;
}

/// H: D5, D6
#[tokio::test]
async fn a_refund_that_fails_or_is_canceled_gives_amount_and_access_back() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, held, whole) in [
        ("pending", true, true),
        ("pending-part", true, false),
        ("succeeded", false, true),
        ("succeeded-part", false, false),
    ] {
        let sale = Sale::of(&app, &shop, name).await;
        app.stripe.hold_refunds(held);
        let body = if whole {
            json!({})
        } else {
            json!({ "amountInCents": 900, "revokeAccess": true })
        };
        let refund = sale.refund(body).await;
        let early = app.hold_events();
        assert!(!sale.opens().await, "{name}");
        app.stripe
            .fail_refund(refund["stripeRefundId"].as_str().unwrap())
            .unwrap();
        app.settle().await;
        sale.holds(0, "paid", true).await;
        let path = format!("/v1/admin/refunds/{}", id(&refund));
        let failed = sale.admin.get(&path).await.expect(200);
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["failureReason"], "lost_or_stolen_card");
        // What was said earlier comes late, and moves nothing back.
        app.hear(&early).await;
        assert_eq!(sale.admin.get(&path).await.expect(200), failed);
        sale.holds(0, "paid", true).await;
        // The money is there again, and can be given back.
        app.stripe.hold_refunds(false);
        sale.refund(json!({})).await;
        app.settle().await;
        sale.holds(4900, "refunded", false).await;
    }
    let sale = Sale::of(&app, &shop, "canceled").await;
    app.stripe.hold_refunds(true);
    let refund = sale.refund(json!({})).await;
    app.stripe
        .cancel_refund(refund["stripeRefundId"].as_str().unwrap())
        .unwrap();
    app.settle().await;
    sale.holds(0, "paid", true).await;
    assert_eq!(app.count("refunds WHERE status = 'canceled'"), 1);
    app.finish().await;
}

/// H: D6, D8
#[tokio::test]
async fn a_refund_that_fails_gives_back_only_the_access_that_it_took() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    sale.refund(json!({ "amountInCents": 900, "revokeAccess": true }))
        .await;
    let second = sale.refund(json!({})).await;
    app.settle().await;
    sale.holds(4900, "refunded", false).await;
    app.stripe
        .fail_refund(second["stripeRefundId"].as_str().unwrap())
        .unwrap();
    app.settle().await;
    sale.holds(900, "partially_refunded", false).await;

    // Nor does it revive anything for somebody who was deleted meanwhile.
    let other = Sale::of(&app, &shop, "two").await;
    let refund = other.refund(json!({})).await;
    let person = app.clerk.person(&other.learner.clerk_user_id).unwrap();
    let deleted = app.clerk.user_event(UserEvent::Deleted, &person);
    assert_eq!(app.clerk.deliver(&deleted).await.unwrap(), 200);
    app.work().await;
    app.stripe
        .fail_refund(refund["stripeRefundId"].as_str().unwrap())
        .unwrap();
    app.settle().await;
    assert_eq!(other.look().await["status"], "paid");
    let live = format!(
        "access_grants WHERE ended_at IS NULL AND purchase_id = '{}'",
        other.id
    );
    assert_eq!(app.count(&live), 0);
    app.finish().await;
}

/// H: A9, D6
#[tokio::test]
async fn the_order_of_a_refunds_events_does_not_change_where_it_ends() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (index, order) in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ]
    .into_iter()
    .enumerate()
    {
        let sale = Sale::of(&app, &shop, &format!("buyer-{index}")).await;
        app.stripe.hold_refunds(true);
        let refund = app
            .stripe
            .refund_from_dashboard(&sale.charge, None)
            .unwrap();
        let refund = refund["id"].as_str().unwrap().to_owned();
        app.stripe.settle_refund(&refund).unwrap();
        app.stripe.fail_refund(&refund).unwrap();
        let told: Vec<_> = app
            .hold_events()
            .into_iter()
            .filter(|event| event["type"] != "charge.refunded")
            .collect();
        let statuses: Vec<_> = told
            .iter()
            .map(|event| &event["data"]["object"]["status"])
            .collect();
        assert_eq!(statuses, ["pending", "succeeded", "failed", "failed"]);
        for place in order {
            app.hear([&told[place]]).await;
        }
        sale.holds(0, "paid", true).await;
        assert_eq!(app.count("refunds WHERE status <> 'failed'"), 0);
    }
    app.finish().await;
}

/// H: D6
#[tokio::test]
async fn stripes_word_holds_over_a_refusal_that_turns_out_to_be_none() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let lost = Fault::after_effect("POST /v1/refunds", Trouble::Status(402));
    app.stripe.inject(lost);
    let refused = sale.ask_refund(json!({})).await;
    refused.expect_problem(409, "payment-refused");
    sale.holds(0, "paid", true).await;
    app.settle().await;
    sale.holds(4900, "refunded", false).await;
    let list = sale.admin.get(&sale.refunds()).await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(list["data"][0]["status"], "succeeded");
    assert_eq!(list["data"][0]["failureReason"], Value::Null);
    app.finish().await;
}

/// H: A17
#[tokio::test]
async fn a_thin_event_brings_the_refund_that_it_names() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, kind, booked) in [
        ("refund", "refund.updated", true),
        ("charge", "charge.refunded", true),
        ("refund-early", "refund.created", false),
        ("charge-early", "charge.refunded", false),
    ] {
        let learner = app.learner(name);
        let checkout = open(&learner, shop.order()).await;
        app.stripe
            .pay(&session_of(&app, &checkout), Outcome::Paid)
            .unwrap();
        if booked {
            app.settle().await;
        } else {
            app.hold_events();
        }
        let (charge, _) = paid_with(&app, &checkout);
        let refund = app.stripe.refund_from_dashboard(&charge, None).unwrap();
        app.hold_events();
        let (object, id) = match kind {
            "charge.refunded" => ("charge", charge.as_str()),
            _ => ("refund", refund["id"].as_str().unwrap()),
        };
        app.hear([&thin_event(kind, object, id)]).await;
        assert_eq!(
            look(&learner, &checkout).await["status"],
            "fulfilled",
            "{name}"
        );
        let sale = Sale::behind(&app, &shop, learner, &checkout);
        sale.holds(4900, "refunded", false).await;
    }
    let made = app.count("refunds");
    for (kind, object, id) in [
        ("refund.updated", "refund", "re_unknown"),
        ("charge.refunded", "charge", "ch_unknown"),
        ("charge.dispute.created", "dispute", "dp_unknown"),
    ] {
        app.hear([&thin_event(kind, object, id)]).await;
    }
    let mut nameless = thin_event("refund.updated", "refund", "re_1");
    nameless["related_object"] = Value::Null;
    app.hear([&nameless]).await;
    assert_eq!(app.count("refunds"), made);
    app.finish().await;
}

/// H: A16
#[tokio::test]
async fn odd_refund_events_are_understood_or_looked_up_and_never_fail() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, changes, status) in [
        (
            "unknown-status",
            json!({ "status": "reticulating" }),
            "pending",
        ),
        (
            "needs-action",
            json!({ "status": "requires_action" }),
            "pending",
        ),
        ("no-status", json!({ "status": null }), "succeeded"),
        ("text-amount", json!({ "amount": "900" }), "succeeded"),
        ("odd-metadata", json!({ "metadata": ["a"] }), "succeeded"),
        (
            "foreign-row",
            json!({ "metadata": { "refundId": crate::support::lists::NOBODY } }),
            "succeeded",
        ),
        ("more", json!({ "color": { "of": "money" } }), "succeeded"),
    ] {
        let sale = Sale::of(&app, &shop, name).await;
        let refund = app
            .stripe
            .refund_from_dashboard(&sale.charge, Some(900))
            .unwrap();
        app.hold_events();
        let mut told = refund.clone();
        told.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        app.hear([&event("refund.updated", &told)]).await;
        sale.holds(900, "partially_refunded", true).await;
        let found = format!(
            "refunds WHERE purchase_id = '{}' AND status = '{status}'",
            sale.id
        );
        assert_eq!(app.count(&found), 1, "{name}");
    }
    for object in [
        json!({}),
        json!({ "id": 7 }),
        json!([]),
        json!("re_1"),
        Value::Null,
    ] {
        app.hear([&event("refund.updated", &object)]).await;
    }
    let sale = Sale::of(&app, &shop, "missing").await;
    let mut refund = app
        .stripe
        .refund_from_dashboard(&sale.charge, Some(900))
        .unwrap();
    app.hold_events();
    refund.as_object_mut().unwrap().remove("payment_intent");
    app.hear([&event("refund.updated", &refund)]).await;
    sale.holds(900, "partially_refunded", true).await;
    app.finish().await;
}

/// H: D2, D4
#[tokio::test]
async fn a_dashboard_refund_that_meets_an_unsent_intent_waits_until_stripe_has_decided() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let outage = Fault::before_effect("POST /v1/refunds", Trouble::Status(503));
    app.stripe.inject(outage.times(3));
    let ours = sale.refund(json!({ "amountInCents": 3000 })).await;
    assert_eq!(ours["status"], "pending");
    app.stripe.clear_faults();
    app.stripe
        .refund_from_dashboard(&sale.charge, Some(2500))
        .unwrap();
    let told = app.hold_events();
    let told = of_types(&told, &["refund.created"]);
    app.stripe_event(told[0]).await.expect(200);
    worker::handle_due_events(&app.state).await.unwrap();
    let waiting =
        "webhook_events WHERE status = 'received' AND last_error = 'conflict' AND due_at > now()";
    assert_eq!(app.count(waiting), 1);
    sale.holds(3000, "partially_refunded", true).await;
    app.work_again().await;
    app.work_again().await;
    sale.holds(2500, "partially_refunded", true).await;
    let path = format!("/v1/admin/refunds/{}", id(&ours));
    let ours = sale.admin.get(&path).await.expect(200);
    assert_eq!(ours["status"], "failed");
    assert_eq!(refunds_at_stripe(&app).await.len(), 1);
    app.finish().await;
}

/// H: A9, D1
#[tokio::test]
async fn an_event_that_overtakes_our_own_record_finds_its_intent() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let outage = Fault::after_effect("POST /v1/refunds", Trouble::Drop);
    app.stripe.inject(outage.times(3));
    let refund = sale.refund(json!({})).await;
    assert_eq!(refund["status"], "pending");
    let asked = app.stripe.count("POST /v1/refunds");
    let told = app.hold_events();
    app.stripe_event(of_types(&told, &["refund.created"])[0])
        .await
        .expect(200);
    worker::handle_due_events(&app.state).await.unwrap();
    let path = format!("/v1/admin/refunds/{}", id(&refund));
    let now = sale.admin.get(&path).await.expect(200);
    assert_eq!(now["status"], "succeeded");
    assert!(now["stripeRefundId"].is_string());
    app.work().await;
    assert_eq!(
        app.stripe.count("POST /v1/refunds"),
        asked,
        "nothing is left to send"
    );
    assert_eq!(app.count("refunds"), 1);
    app.finish().await;
}

/// H: A22
#[tokio::test]
async fn what_no_event_told_of_is_found_by_asking_where_the_money_is() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let failed = app
        .stripe
        .refund_from_dashboard(&sale.charge, None)
        .unwrap();
    app.settle().await;
    sale.holds(4900, "refunded", false).await;
    // One comes back and many others go out; with the failed one they would not fit.
    app.stripe
        .fail_refund(failed["id"].as_str().unwrap())
        .unwrap();
    for _ in 0..105 {
        app.stripe
            .refund_from_dashboard(&sale.charge, Some(10))
            .unwrap();
    }
    app.hold_events();
    for _ in 0..2 {
        payment::converge(&app.state, &sale.payment_intent)
            .await
            .unwrap();
        sale.holds(1050, "partially_refunded", true).await;
        assert_eq!(app.count("refunds"), 106);
    }
    payment::converge(&app.state, "pi_of_somebody_else")
        .await
        .unwrap();
    assert!(has_access(&sale.learner, &shop.course).await);
    app.finish().await;
}
