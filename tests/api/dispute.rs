//! Disputes: what a buyer's bank does about a payment, and what becomes of the access meanwhile.

use lectern::dev::stripe::{Outcome, Verdict};
use serde_json::{Value, json};

use crate::support::buying::{event, open};
use crate::support::lists::NOBODY;
use crate::support::refunding::{Sale, paid_with, thin_event};
use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

fn id_of(dispute: &Value) -> &str {
    dispute["id"].as_str().unwrap()
}

/// H: E1, E3
#[tokio::test]
async fn an_open_dispute_holds_the_access_until_it_is_won() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let at_stripe = app.stripe.open_dispute(&sale.charge).unwrap();
    app.settle().await;
    sale.holds(0, "disputed", false).await;
    let dispute = sale.dispute().await;
    for (field, value) in [
        ("purchaseId", json!(sale.id)),
        ("amountInCents", json!(4900)),
        ("currency", json!("usd")),
        ("status", json!("needs_response")),
        ("reason", json!("fraudulent")),
        ("stripeDisputeId", at_stripe["id"].clone()),
    ] {
        assert_eq!(dispute[field], value, "{field}");
    }
    let due = at_stripe["evidence_details"]["due_by"].as_i64().unwrap();
    let due = chrono::DateTime::from_timestamp(due, 0).unwrap();
    let told: chrono::DateTime<chrono::Utc> =
        dispute["evidenceDueAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(told, due);
    let path = format!("/v1/admin/disputes/{}", id_of(&dispute));
    assert_eq!(sale.admin.get(&path).await.expect(200), dispute);
    assert_eq!(
        app.count("access_grants WHERE ended_because = 'dispute'"),
        1
    );
    let refused = sale.ask_refund(json!({})).await;
    refused.expect_problem(409, "purchase-disputed");
    let list = sale.admin.get("/v1/admin/purchases?status=disputed").await;
    assert_eq!(list.expect(200)["data"], json!([sale.look().await]));

    app.stripe.submit_evidence(id_of(&at_stripe)).unwrap();
    app.settle().await;
    sale.holds(0, "disputed", false).await;
    assert_eq!(sale.dispute().await["status"], "under_review");
    app.stripe
        .close_dispute(id_of(&at_stripe), Verdict::Won)
        .unwrap();
    app.settle().await;
    sale.holds(0, "paid", true).await;
    assert_eq!(
        app.count("access_grants WHERE ended_at IS NULL AND ended_because IS NULL"),
        1
    );
    sale.refund(json!({})).await;
    app.settle().await;
    sale.holds(4900, "refunded", false).await;
    app.finish().await;
}

/// H: E3
#[tokio::test]
async fn a_lost_dispute_takes_the_access_for_good() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let dispute = app.stripe.open_dispute(&sale.charge).unwrap();
    app.stripe
        .close_dispute(id_of(&dispute), Verdict::Lost)
        .unwrap();
    app.settle().await;
    sale.holds(0, "disputed", false).await;
    let refused = sale.ask_refund(json!({})).await;
    refused.expect_problem(409, "purchase-disputed");
    // It is not owned, and may be bought again.
    open(&sale.learner, shop.order()).await;
    app.finish().await;
}

/// H: E2, E3
#[tokio::test]
async fn an_inquiry_is_recorded_and_changes_nothing() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let inquiry = app.stripe.open_inquiry(&sale.charge).unwrap();
    app.settle().await;
    sale.holds(0, "paid", true).await;
    assert_eq!(sale.dispute().await["status"], "warning_needs_response");
    app.stripe.submit_evidence(id_of(&inquiry)).unwrap();
    app.settle().await;
    sale.refund(json!({ "amountInCents": 900 })).await;
    sale.holds(900, "partially_refunded", true).await;
    // It becomes a dispute after all.
    let mut escalated = app.stripe.object(id_of(&inquiry)).unwrap();
    escalated["status"] = json!("needs_response");
    app.hear([&event("charge.dispute.updated", &escalated)])
        .await;
    sale.holds(900, "disputed", false).await;

    let other = Sale::of(&app, &shop, "two").await;
    let inquiry = app.stripe.open_inquiry(&other.charge).unwrap();
    app.stripe
        .close_dispute(id_of(&inquiry), Verdict::InquiryClosed)
        .unwrap();
    app.settle().await;
    assert_eq!(other.dispute().await["status"], "warning_closed");
    other.holds(0, "paid", true).await;
    app.finish().await;
}

/// H: E4, A9, A16
#[tokio::test]
async fn a_dispute_only_moves_on_whatever_comes_late_or_is_not_understood() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, verdict, status, opens) in [
        ("won", Verdict::Won, "paid", true),
        ("lost", Verdict::Lost, "disputed", false),
    ] {
        for backwards in [false, true] {
            let sale = Sale::of(&app, &shop, &format!("{name}-{backwards}")).await;
            let dispute = app.stripe.open_dispute(&sale.charge).unwrap();
            app.stripe.submit_evidence(id_of(&dispute)).unwrap();
            app.stripe.close_dispute(id_of(&dispute), verdict).unwrap();
            let mut told = app.hold_events();
            assert!(told.len() >= 4);
            if backwards {
                told.reverse();
            }
            for event in &told {
                app.hear([event]).await;
            }
            sale.holds(0, status, opens).await;
            assert_eq!(sale.dispute().await["status"], name);
            let mut odd = app.stripe.object(id_of(&dispute)).unwrap();
            odd["status"] = json!("reticulated");
            app.hear([&event("charge.dispute.updated", &odd)]).await;
            assert_eq!(sale.dispute().await["status"], name);
        }
    }
    let sale = Sale::of(&app, &shop, "odd").await;
    let mut odd = app.stripe.open_dispute(&sale.charge).unwrap();
    app.hold_events();
    odd["status"] = json!("reticulating");
    odd["currency"] = json!("gold");
    odd["evidence_details"] = Value::Null;
    app.hear([&event("charge.dispute.created", &odd)]).await;
    sale.holds(0, "paid", true).await;
    assert_eq!(sale.dispute().await["status"], "reticulating");
    assert_eq!(sale.dispute().await["currency"], "usd");
    odd["status"] = json!("needs_response");
    app.hear([&event("charge.dispute.updated", &odd)]).await;
    sale.holds(0, "disputed", false).await;
    app.finish().await;
}

/// H: E4
#[tokio::test]
async fn of_two_verdicts_that_of_stripe_now_holds() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let dispute = app.stripe.open_dispute(&sale.charge).unwrap();
    app.stripe
        .close_dispute(id_of(&dispute), Verdict::Lost)
        .unwrap();
    app.hold_events();
    let mut won = app.stripe.object(id_of(&dispute)).unwrap();
    won["status"] = json!("won");
    app.hear([&event("charge.dispute.closed", &won)]).await;
    sale.holds(0, "paid", true).await;
    // Then the other one is told: Stripe is asked, and says lost.
    let lost = app.stripe.object(id_of(&dispute)).unwrap();
    app.hear([&event("charge.dispute.closed", &lost)]).await;
    sale.holds(0, "disputed", false).await;
    // The older word again: Stripe is asked, and says the same.
    app.hear([&event("charge.dispute.closed", &won)]).await;
    sale.holds(0, "disputed", false).await;
    app.finish().await;
}

/// H: C7, A9
#[tokio::test]
async fn what_was_disputed_before_it_was_booked_is_born_disputed() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    app.stripe
        .pay(&session_of(&app, &checkout), Outcome::Paid)
        .unwrap();
    let (charge, _) = paid_with(&app, &checkout);
    let completed = app.hold_events();
    let dispute = app.stripe.open_dispute(&charge).unwrap();
    app.settle().await;
    assert_eq!(app.count("disputes"), 0);
    app.hear(&completed).await;
    let sale = Sale::behind(&app, &shop, learner, &checkout);
    sale.holds(0, "disputed", false).await;
    assert_eq!(
        app.count("access_grants WHERE ended_because = 'dispute'"),
        1
    );
    app.stripe
        .close_dispute(id_of(&dispute), Verdict::Won)
        .unwrap();
    app.settle().await;
    sale.holds(0, "paid", true).await;
    app.finish().await;
}

/// H: E1, D6
#[tokio::test]
async fn a_dispute_over_what_was_given_back_is_recorded_and_the_refund_stays_the_reason() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let dispute = app.stripe.open_dispute(&sale.charge).unwrap();
    app.settle().await;
    sale.holds(0, "disputed", false).await;
    app.stripe
        .close_dispute(id_of(&dispute), Verdict::Won)
        .unwrap();
    app.settle().await;
    let refund = sale.refund(json!({})).await;
    app.stripe.open_dispute(&sale.charge).unwrap();
    app.settle().await;
    sale.holds(4900, "refunded", false).await;
    assert_eq!(app.count("access_grants WHERE ended_because = 'refund'"), 1);
    app.stripe
        .fail_refund(refund["stripeRefundId"].as_str().unwrap())
        .unwrap();
    app.settle().await;
    sale.holds(0, "disputed", false).await;
    assert_eq!(
        app.count("access_grants WHERE ended_because = 'dispute'"),
        1
    );
    app.finish().await;
}

/// H: A17
#[tokio::test]
async fn a_thin_event_brings_the_dispute_or_the_warning_that_it_names() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for booked in [true, false] {
        let learner = app.learner(&format!("buyer-{booked}"));
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
        let dispute = app.stripe.open_dispute(&charge).unwrap();
        let warning = app.stripe.warn_of_fraud(&charge).unwrap();
        app.hold_events();
        let thin = [
            thin_event("charge.dispute.created", "dispute", id_of(&dispute)),
            thin_event(
                "radar.early_fraud_warning.created",
                "radar.early_fraud_warning",
                id_of(&warning),
            ),
        ];
        app.hear(&thin).await;
        let sale = Sale::behind(&app, &shop, learner, &checkout);
        sale.holds(0, "disputed", false).await;
        assert_eq!(sale.look().await["flags"], json!(["early-fraud-warning"]));
    }
    app.finish().await;
}

/// H: A6, C7
#[tokio::test]
async fn an_early_fraud_warning_marks_the_purchase_once() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, booked, named) in [
        ("booked", true, true),
        ("early", false, true),
        ("by-charge", true, false),
    ] {
        let learner = app.learner(name);
        let checkout = open(&learner, shop.order()).await;
        app.stripe
            .pay(&session_of(&app, &checkout), Outcome::Paid)
            .unwrap();
        let (charge, _) = paid_with(&app, &checkout);
        let completed = app.hold_events();
        if booked {
            app.hear(&completed).await;
        }
        let mut warning = app.stripe.warn_of_fraud(&charge).unwrap();
        app.hold_events();
        if !named {
            warning.as_object_mut().unwrap().remove("payment_intent");
        }
        for _ in 0..2 {
            let told = event("radar.early_fraud_warning.created", &warning);
            app.hear([&told]).await;
        }
        app.hear(&completed).await;
        let sale = Sale::behind(&app, &shop, learner, &checkout);
        sale.holds(0, "paid", true).await;
        assert_eq!(
            sale.look().await["flags"],
            json!(["early-fraud-warning"]),
            "{name}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn disputes_are_listed_by_purchase_status_and_time_page_by_page() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let mut sales = Vec::new();
    for name in ["one", "two", "three"] {
        let sale = Sale::of(&app, &shop, name).await;
        app.stripe.open_dispute(&sale.charge).unwrap();
        app.settle().await;
        sales.push(sale);
    }
    let admin = &sales[0].admin;
    let mut all = Vec::new();
    for sale in sales.iter().rev() {
        all.push(sale.dispute().await);
    }
    for limit in [1, 2, 3, 100] {
        let rows = admin
            .walk(&format!("/v1/admin/disputes?limit={limit}"))
            .await;
        assert_eq!(rows, all, "{limit}");
    }
    for (query, count) in [
        (format!("purchaseId={NOBODY}"), 0),
        ("status=needs_response".to_owned(), 3),
        ("status=won".to_owned(), 0),
        ("from=2020-01-01T00:00:00Z".to_owned(), 3),
        ("to=2020-01-01T00:00:00Z".to_owned(), 0),
    ] {
        let list = admin.get(&format!("/v1/admin/disputes?{query}")).await;
        assert_eq!(
            list.expect(200)["data"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
    let list = admin.get("/v1/admin/disputes?page=2").await;
    list.expect_problem(422, "invalid");
    let nowhere = admin.get(&format!("/v1/admin/disputes/{NOBODY}")).await;
    nowhere.expect_problem(404, "not-found");
    app.finish().await;
}
