//! Refunds by the owner: the intent first, then Stripe, and access that follows from what is given back.

use lectern::commerce::access;
use serde_json::{Value, json};

use crate::support::buying::{event, has_access, look, open, session_event};
use crate::support::lists::NOBODY;
use crate::support::refunding::{Sale, refunds_at_stripe};
use crate::support::shop::{course, id, product};
use crate::support::{Client, Shop, TestApp};

/// H: D1, D12
#[tokio::test]
async fn a_refund_gives_all_back_and_takes_the_access_at_once() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let reply = sale
        .ask_refund(json!({ "reason": "Did not like it" }))
        .await;
    let location = reply.header("location").to_owned();
    let refund = reply.expect(201);
    assert_eq!(location, format!("/v1/admin/refunds/{}", id(&refund)));
    for (field, value) in [
        ("purchaseId", json!(sale.id)),
        ("amountInCents", json!(4900)),
        ("currency", json!("usd")),
        ("status", json!("succeeded")),
        ("revokeAccess", json!(false)),
        ("reason", json!("Did not like it")),
        ("failureReason", json!(null)),
    ] {
        assert_eq!(refund[field], value, "{field}");
    }
    let asked = app.stripe.requests();
    let asked = asked.iter().rfind(|it| it.path == "/v1/refunds").unwrap();
    let key = format!("refund-{}", id(&refund));
    assert_eq!(asked.idempotency_key.as_ref(), Some(&key));
    assert_eq!(asked.form.get("metadata[refundId]"), Some(&*id(&refund)));
    assert_eq!(asked.form.get("reason"), None);
    sale.holds(4900, "refunded", false).await;
    assert!(sale.look().await["refundedAt"].is_string());
    let grant = "access_grants WHERE ended_at IS NOT NULL AND ended_because = 'refund'";
    assert_eq!(app.count(grant), 1);

    // What Stripe tells of it afterwards, and the worker's part, change nothing.
    app.settle().await;
    assert_eq!(sale.admin.get(&location).await.expect(200), refund);
    assert_eq!(refunds_at_stripe(&app).await.len(), 1);
    assert_eq!(app.count("refunds"), 1);
    assert_eq!(app.stripe.count("POST /v1/refunds"), 1);
    let audited =
        "audit_log WHERE entity = 'refund' AND action = 'create' AND actor_id IS NOT NULL";
    assert_eq!(app.count(audited), 1);
    app.finish().await;
}

/// H: D3
#[tokio::test]
async fn a_part_that_goes_back_leaves_the_access_unless_it_is_to_be_taken() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    sale.refund(json!({ "amountInCents": 900 })).await;
    sale.holds(900, "partially_refunded", true).await;
    sale.refund(json!({ "amountInCents": 1000, "revokeAccess": true }))
        .await;
    sale.holds(1900, "partially_refunded", false).await;
    app.settle().await;
    sale.holds(1900, "partially_refunded", false).await;
    // Without access it is not owned, and can be bought again.
    open(&sale.learner, shop.order()).await;

    sale.refund(json!({})).await;
    sale.holds(4900, "refunded", false).await;
    app.settle().await;
    let bill = sale.look().await["pricingRows"].clone();
    assert_eq!(
        bill,
        json!([
            { "kind": "subtotal", "label": "Subtotal", "amountInCents": 4900 },
            { "kind": "refund", "label": "Refund", "amountInCents": -900 },
            { "kind": "refund", "label": "Refund", "amountInCents": -1000 },
            { "kind": "refund", "label": "Refund", "amountInCents": -3000 },
            { "kind": "total", "label": "Total", "amountInCents": 0 },
        ])
    );
    app.finish().await;
}

/// H: D7, D2
#[tokio::test]
async fn a_refund_that_cannot_be_says_why() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let too_large = sale.ask_refund(json!({ "amountInCents": 4901 })).await;
    too_large.expect_problem(409, "refund-too-large");
    sale.refund(json!({ "amountInCents": 4000 })).await;
    let too_large = sale.ask_refund(json!({ "amountInCents": 901 })).await;
    too_large.expect_problem(409, "refund-too-large");
    sale.refund(json!({ "amountInCents": 900 })).await;
    for body in [json!({}), json!({ "amountInCents": 1 })] {
        let again = sale.ask_refund(body).await;
        again.expect_problem(409, "already-refunded");
    }
    for amount in [0, -1] {
        let reply = sale.ask_refund(json!({ "amountInCents": amount })).await;
        reply.expect_invalid("/amountInCents");
    }
    let unknown = sale.ask_refund(json!({ "userId": NOBODY })).await;
    unknown.expect_problem(422, "invalid");
    let without_key = sale.admin.post(&sale.refunds(), json!({})).await;
    without_key.expect_problem(400, "idempotency-key-required");
    for key in ["", "é", &"k".repeat(256)] {
        let reply = sale.admin.refund(&sale.refunds(), json!({}), key).await;
        reply.expect_problem(400, "malformed-request");
    }
    let nowhere = format!("/v1/admin/purchases/{NOBODY}/refunds");
    let reply = sale.admin.refund(&nowhere, json!({}), "a").await;
    reply.expect_problem(404, "not-found");
    let reply = sale.admin.get(&nowhere).await;
    reply.expect_problem(404, "not-found");
    let reply = sale.learner.refund(&sale.refunds(), json!({}), "a").await;
    reply.expect_problem(403, "forbidden");

    let disputed = Sale::of(&app, &shop, "two").await;
    app.stripe.open_dispute(&disputed.charge).unwrap();
    app.settle().await;
    let reply = disputed.ask_refund(json!({})).await;
    reply.expect_problem(409, "purchase-disputed");
    assert_eq!(refunds_at_stripe(&app).await.len(), 2);
    app.finish().await;
}

/// H: D7
#[tokio::test]
async fn what_stripe_refuses_leaves_amount_and_access_as_they_were() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    // The store has not heard of it yet.
    app.stripe.open_dispute(&sale.charge).unwrap();
    let reply = sale.ask_refund(json!({})).await;
    reply.expect_problem(409, "payment-refused");
    sale.holds(0, "paid", true).await;
    let list = sale.admin.get(&sale.refunds()).await.expect(200);
    assert_eq!(list["data"][0]["status"], "failed");
    assert_eq!(list["data"][0]["failureReason"], "charge_disputed");
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    app.settle().await;
    sale.holds(0, "disputed", false).await;
    app.finish().await;
}

/// H: D9, B11, C12
#[tokio::test]
async fn what_no_payment_stands_behind_is_refunded_without_stripe() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, claimer, buyer) = (app.admin(), app.learner("claimer"), app.learner("buyer"));
    let free = product(&admin, "Free", 0, &[&shop.course]).await;
    let claimed = id(&claimer.claim(&free).await);
    let checkout = open(&buyer, shop.order()).await;
    let nothing = json!({
        "status": "complete", "payment_status": "no_payment_required", "payment_intent": null, "amount_total": 0,
    });
    app.sql("UPDATE checkouts SET discount_in_cents = subtotal_in_cents, total_in_cents = 0");
    let told = session_event(&app, &checkout, "checkout.session.completed", &nothing);
    app.hear([&told]).await;
    let bought = look(&buyer, &checkout).await["purchaseId"].clone();
    let bought = bought.as_str().unwrap();
    for (learner, purchase) in [(&claimer, claimed.as_str()), (&buyer, bought)] {
        assert!(has_access(learner, &shop.course).await);
        let path = format!("/v1/admin/purchases/{purchase}");
        let refunds = format!("{path}/refunds");
        let too_large = admin
            .refund(&refunds, json!({ "amountInCents": 1 }), "a")
            .await;
        too_large.expect_problem(409, "refund-too-large");
        let refund = admin.refund(&refunds, json!({}), "b").await.expect(201);
        assert_eq!(refund["amountInCents"], 0);
        assert_eq!(refund["status"], "succeeded");
        assert_eq!(refund["stripeRefundId"], Value::Null);
        assert!(!has_access(learner, &shop.course).await);
        assert_eq!(admin.get(&path).await.expect(200)["status"], "refunded");
        let again = admin.refund(&refunds, json!({}), "c").await;
        again.expect_problem(409, "already-refunded");
        let mine = format!("/v1/me/purchases/{purchase}");
        assert_eq!(learner.get(&mine).await.expect(200)["status"], "refunded");
    }
    assert_eq!(app.stripe.count("POST /v1/refunds"), 0);
    // Telling of it again revives nothing.
    app.hear([&session_event(
        &app,
        &checkout,
        "checkout.session.completed",
        &nothing,
    )])
    .await;
    assert!(!has_access(&buyer, &shop.course).await);
    app.finish().await;
}

/// H: D8, D13
#[tokio::test]
async fn a_refund_takes_only_what_its_own_purchase_gave_and_progress_waits() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let other = course(&admin, "Another course").await;
    let bundle = product(&admin, "Bundle", 7900, &[&other, &shop.course]).await;
    let first = Sale::of(&app, &shop, "one").await;
    let completion = format!("/v1/me/lessons/{}/completion", shop.first_steps);
    first.learner.put(&completion).await.expect(204);
    crate::support::shop::buy(&app, &first.learner, &bundle).await;
    first.refund(json!({})).await;
    first.holds(4900, "refunded", true).await;

    // With both gone, so is the access; a grant by hand brings it back, and the progress with it.
    let path = format!("/v1/admin/purchases?productId={bundle}");
    let second = id(&admin.get(&path).await.expect(200)["data"][0]);
    let refunds = format!("/v1/admin/purchases/{second}/refunds");
    admin.refund(&refunds, json!({}), "a").await.expect(201);
    for course in [&other, &shop.course] {
        assert!(!has_access(&first.learner, course).await);
    }
    let hidden = first.learner.put(&completion).await;
    hidden.expect_problem(403, "course-access-required");
    let mine = first.learner.get("/v1/me/courses").await.expect(200);
    assert_eq!(mine["data"], json!([]));
    shop.give(&admin, &first.learner).await;
    let player = format!("/v1/courses/{}", shop.course);
    let player = first.learner.get(&player).await.expect(200);
    assert_eq!(player["completedLessonCount"], 1);
    app.settle().await;
    app.finish().await;
}

/// H: D10
#[tokio::test]
async fn of_a_product_that_was_bought_twice_refunding_one_keeps_the_other() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let first = Sale::of(&app, &shop, "one").await;
    let revoked = json!({ "amountInCents": 900, "revokeAccess": true });
    first.refund(revoked).await;
    app.settle().await;
    let checkout = shop.buy(&app, &first.learner).await;
    let second = Sale::behind(&app, &shop, first.learner.clone(), &checkout);
    second.holds(0, "paid", true).await;
    first.refund(json!({})).await;
    app.settle().await;
    first.holds(4900, "refunded", true).await;
    second.holds(0, "paid", true).await;
    let again = first
        .learner
        .post("/v1/checkout/sessions", shop.order())
        .await;
    again.expect_problem(409, "already-owned");
    app.finish().await;
}

/// H: D5
#[tokio::test]
async fn a_refund_that_is_on_its_way_is_visible_and_counts() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    app.stripe.hold_refunds(true);
    let refund = sale.refund(json!({})).await;
    assert_eq!(refund["status"], "pending");
    sale.holds(4900, "refunded", false).await;
    let path = format!("/v1/me/purchases/{}", sale.id);
    let mine = sale.learner.get(&path).await.expect(200);
    assert_eq!(mine["pricingRows"][1]["label"], "Refund (pending)");
    let stats = sale.admin.get("/v1/admin/stats").await.expect(200);
    assert_eq!(stats["refundCount"], 1);
    assert_eq!(stats["refundedInCents"], 4900);
    let list = sale.admin.get("/v1/admin/refunds?status=pending").await;
    assert_eq!(list.expect(200)["data"], json!([refund]));

    app.stripe
        .settle_refund(refund["stripeRefundId"].as_str().unwrap())
        .unwrap();
    app.settle().await;
    let mine = sale.learner.get(&path).await.expect(200);
    assert_eq!(mine["pricingRows"][1]["label"], "Refund");
    sale.holds(4900, "refunded", false).await;
    app.finish().await;
}

/// H: C12
#[tokio::test]
async fn aligning_every_purchase_anew_changes_nothing() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let mut sales = Vec::new();
    for name in ["paid", "part", "whole", "disputed"] {
        sales.push(Sale::of(&app, &shop, name).await);
    }
    sales[1]
        .refund(json!({ "amountInCents": 900, "revokeAccess": true }))
        .await;
    sales[2].refund(json!({})).await;
    app.stripe.open_dispute(&sales[3].charge).unwrap();
    app.settle().await;
    let wanted = [
        (0, "paid", true),
        (900, "partially_refunded", false),
        (4900, "refunded", false),
        (0, "disputed", false),
    ];
    for _ in 0..2 {
        for (sale, (refunded, status, opens)) in sales.iter().zip(wanted) {
            sale.holds(refunded, status, opens).await;
            let before = sale.look().await;
            access::align(&mut app.db(), sale.id.parse().unwrap()).unwrap();
            assert_eq!(sale.look().await, before);
        }
    }
    // Nor does hearing of the payments again.
    for event in app.stripe.events() {
        let told = event["data"]["object"].clone();
        if event["type"] == "checkout.session.completed" {
            let kind = event["type"].as_str().unwrap();
            app.hear([&crate::support::buying::event(kind, &told)])
                .await;
        }
    }
    for (sale, (refunded, status, opens)) in sales.iter().zip(wanted) {
        sale.holds(refunded, status, opens).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn refunds_are_listed_by_purchase_status_and_time_page_by_page() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (one, two) = (
        Sale::of(&app, &shop, "one").await,
        Sale::of(&app, &shop, "two").await,
    );
    let mut made = Vec::new();
    for amount in [1, 2, 3] {
        made.push(one.refund(json!({ "amountInCents": amount })).await);
    }
    made.push(two.refund(json!({})).await);
    made.reverse();
    let admin = &one.admin;
    for limit in [1, 2, 3, 4, 100] {
        let rows = admin
            .walk(&format!("/v1/admin/refunds?limit={limit}"))
            .await;
        assert_eq!(rows, made, "{limit}");
        let rows = admin
            .walk(&format!("{}?limit={limit}", one.refunds()))
            .await;
        assert_eq!(rows, made[1..], "{limit}");
    }
    for (query, count) in [
        (format!("purchaseId={}", two.id), 1),
        (format!("purchaseId={NOBODY}"), 0),
        ("status=succeeded".to_owned(), 4),
        ("status=failed".to_owned(), 0),
        ("from=2020-01-01T00:00:00Z".to_owned(), 4),
        ("to=2020-01-01T00:00:00Z".to_owned(), 0),
    ] {
        let list = admin.get(&format!("/v1/admin/refunds?{query}")).await;
        assert_eq!(
            list.expect(200)["data"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
    for query in ["status=lost", "purchaseId=1", "from=yesterday", "page=2"] {
        let list = admin.get(&format!("/v1/admin/refunds?{query}")).await;
        list.expect_problem(422, "invalid");
    }
    let nowhere = admin.get(&format!("/v1/admin/refunds/{NOBODY}")).await;
    nowhere.expect_problem(404, "not-found");
    let stats = admin.get("/v1/admin/stats").await.expect(200);
    assert_eq!(stats["refundCount"], 4);
    assert_eq!(stats["refundedInCents"], 4906);
    assert_eq!(stats["netSalesInCents"], 2 * 4900 - 4906);
    for (status, count) in [
        ("partially_refunded", 1),
        ("refunded", 1),
        ("paid", 0),
        ("disputed", 0),
    ] {
        let list = admin
            .get(&format!("/v1/admin/purchases?status={status}"))
            .await;
        assert_eq!(
            list.expect(200)["data"].as_array().unwrap().len(),
            count,
            "{status}"
        );
    }
    app.settle().await;
    app.finish().await;
}

/// H: A15, A19
#[tokio::test]
async fn refunds_and_disputes_of_payments_that_are_not_the_stores_are_ignored() {
    let app = TestApp::start().await;
    for (kind, fixture) in [
        (
            "refund.updated",
            include_str!("../fixtures/stripe/refund.json"),
        ),
        (
            "charge.refunded",
            include_str!("../fixtures/stripe/charge.json"),
        ),
        (
            "charge.dispute.created",
            include_str!("../fixtures/stripe/dispute.json"),
        ),
    ] {
        let object: Value = serde_json::from_str(fixture).unwrap();
        for intent in [Value::Null, json!("pi_of_somebody_else")] {
            let mut object = object.clone();
            object["payment_intent"] = intent;
            app.hear([&event(kind, &object)]).await;
        }
    }
    assert_eq!(app.count("webhook_events WHERE status = 'ignored'"), 6);
    assert_eq!(app.count("refunds"), 0);
    assert_eq!(app.stripe.requests().len(), 0);
    app.finish().await;
}

/// H: D2
#[tokio::test]
async fn a_refunds_key_is_one_admins_and_for_a_day() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let other = app.learner("other");
    other.get("/v1/me").await.expect(200);
    app.sql("UPDATE users SET role = 'admin' WHERE role = 'user' AND NOT EXISTS (SELECT FROM purchases WHERE user_id = users.id)");
    let ask = async |admin: &Client, cents: i64| {
        let body = json!({ "amountInCents": cents });
        admin.refund(&sale.refunds(), body, "k").await
    };
    let first = ask(&sale.admin, 100).await.expect(201);
    // It was made, and the answer got lost.
    app.sql("UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, locked_until = now()");
    let reused = ask(&sale.admin, 200).await;
    reused.expect_problem(422, "idempotency-key-reused");
    let again = ask(&sale.admin, 100).await.expect(201);
    assert_eq!(again["id"], first["id"]);
    let others = ask(&other, 200).await.expect(201);
    assert_eq!(others["amountInCents"], 200);
    app.sql(
        "UPDATE idempotency_keys SET expires_at = now();
         ALTER TABLE refunds DISABLE TRIGGER USER;
         UPDATE refunds SET created_at = created_at - interval '1 day';
         ALTER TABLE refunds ENABLE TRIGGER USER",
    );
    let anew = ask(&sale.admin, 300).await.expect(201);
    assert_eq!(anew["amountInCents"], 300);
    sale.holds(600, "partially_refunded", true).await;
    app.finish().await;
}
