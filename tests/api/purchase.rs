//! What a person has bought: the list, and each with its bill.

use lectern::dev::stripe::{Fault, Outcome, Trouble};
use serde_json::{Value, json};

use crate::support::buying::{look, open};
use crate::support::shop::{course, product, session_of};
use crate::support::{Client, Shop, TestApp};

const PURCHASES: &str = "/v1/me/purchases";

fn path(purchase: &Value) -> String {
    format!("{PURCHASES}/{}", purchase.as_str().unwrap())
}

#[tokio::test]
async fn a_purchase_shows_what_was_sold_how_the_price_came_about_and_the_receipt() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = shop.buy(&app, &learner).await;
    let purchase = learner.get(&path(&checkout["purchaseId"])).await;
    assert_eq!(purchase.header("cache-control"), "private, no-store");
    let purchase = purchase.expect(200);
    for (field, value) in [
        ("id", checkout["purchaseId"].clone()),
        ("productId", json!(shop.product)),
        ("status", json!("paid")),
        ("pricePaidInCents", json!(4900)),
        ("refundedInCents", json!(0)),
        ("refundedAt", json!(null)),
        ("currency", json!("usd")),
    ] {
        assert_eq!(purchase[field], value, "{field}");
    }
    let rows = json!([
        { "kind": "subtotal", "label": "Subtotal", "amountInCents": 4900 },
        { "kind": "total", "label": "Total", "amountInCents": 4900 },
    ]);
    assert_eq!(purchase["pricingRows"], rows);
    let charge = app.stripe.charge_of(&session_of(&app, &checkout)).unwrap();
    let charge = app.stripe.object(&charge).unwrap();
    assert_eq!(purchase["receiptUrl"], charge["receipt_url"]);
    assert!(purchase["receiptUrl"].is_string());
    assert_eq!(app.count("purchases WHERE card_country = 'US'"), 1);

    let list = learner.get(PURCHASES).await.expect(200);
    assert_eq!(list, json!({ "data": [purchase], "nextCursor": null }));
    app.finish().await;
}

#[tokio::test]
async fn the_receipt_follows_the_purchase_as_soon_as_stripe_gives_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let outage = Fault::before_effect("GET /v1/payment_intents/*", Trouble::Status(500));
    app.stripe.inject(outage.times(6));
    app.settle().await;
    let path = path(&look(&learner, &checkout).await["purchaseId"]);
    let purchase = learner.get(&path).await.expect(200);
    assert_eq!(purchase["status"], "paid");
    assert_eq!(purchase["receiptUrl"], json!(null));
    let waiting = "jobs WHERE status = 'pending' AND attempts = 1 AND due_at > now()
        AND last_error = 'payment-provider-unavailable'";
    assert_eq!(app.count(waiting), 1);

    app.work_again().await;
    let purchase = learner.get(&path).await.expect(200);
    assert!(purchase["receiptUrl"].is_string());
    app.finish().await;
}

#[tokio::test]
async fn a_bill_adds_up_with_a_discount_and_with_what_went_back() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let path = path(&shop.buy(&app, &learner).await["purchaseId"]);
    let admin = app.admin();
    let refunds = path.replace("/me/", "/admin/") + "/refunds";
    app.sql("UPDATE purchases SET discount_in_cents = 2000, price_paid_in_cents = 2900");
    for (refund, status, amounts) in [
        (
            Value::Null,
            "paid",
            json!([["subtotal", 4900], ["discount", -2000], ["total", 2900]]),
        ),
        (
            json!({ "amountInCents": 900 }),
            "partially_refunded",
            json!([
                ["subtotal", 4900],
                ["discount", -2000],
                ["refund", -900],
                ["total", 2000]
            ]),
        ),
        (
            json!({}),
            "refunded",
            json!([
                ["subtotal", 4900],
                ["discount", -2000],
                ["refund", -900],
                ["refund", -2000],
                ["total", 0]
            ]),
        ),
    ] {
        if refund.is_object() {
            admin.refund(&refunds, refund, status).await.expect(201);
        }
        let purchase = learner.get(&path).await.expect(200);
        assert_eq!(purchase["status"], status);
        let rows = purchase["pricingRows"].as_array().unwrap().iter();
        let rows = rows.map(|row| json!([row["kind"], row["amountInCents"]]));
        assert_eq!(Value::Array(rows.collect()), amounts);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_stale_receipt_is_fetched_again_and_an_outage_of_stripe_does_not_show() {
    const PAYMENT: &str = "GET /v1/payment_intents/*";
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let path = path(&shop.buy(&app, &learner).await["purchaseId"]);
    let receipt = async || learner.get(&path).await.expect(200)["receiptUrl"].clone();
    let fresh = receipt().await;
    let asked = app.stripe.count(PAYMENT);
    receipt().await;
    assert_eq!(
        app.stripe.count(PAYMENT),
        asked,
        "a fresh one is left alone"
    );

    app.sql(
        "UPDATE purchases SET receipt_url = 'https://pay.stripe.com/old',
             receipt_checked_at = now() - interval '26 days'",
    );
    for trouble in [Trouble::Status(500), Trouble::Drop, Trouble::Hang] {
        app.stripe
            .inject(Fault::before_effect(PAYMENT, trouble).times(3));
        assert_eq!(receipt().await, "https://pay.stripe.com/old");
        app.stripe.clear_faults();
    }
    let asked = app.stripe.count(PAYMENT);
    learner.get(PURCHASES).await.expect(200);
    assert_eq!(app.stripe.count(PAYMENT), asked, "a list asks nobody");
    assert_eq!(receipt().await, fresh);
    app.finish().await;
}

#[tokio::test]
async fn somebody_elses_purchase_is_not_found() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let path = path(&shop.buy(&app, &app.learner("one")).await["purchaseId"]);
    for other in [app.learner("two"), app.admin()] {
        let reply = other.get(&path).await;
        reply.expect_problem(404, "not-found");
        let list = other.get(PURCHASES).await.expect(200);
        assert_eq!(list, json!({ "data": [], "nextCursor": null }));
    }
    for path in [path.as_str(), PURCHASES] {
        let reply = app.anon().get(path).await;
        reply.expect_problem(401, "unauthenticated");
    }
    for id in ["42", &shop.product] {
        let reply = app.learner("one").get(&format!("{PURCHASES}/{id}")).await;
        reply.expect_problem(404, "not-found");
    }
    app.finish().await;
}

/// Reads a list to its end, `limit` at a time, by its cursors. Returns the names of what was bought.
async fn names(learner: &Client, limit: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut path = format!("{PURCHASES}?limit={limit}");
    loop {
        let reply = learner.get(&path).await;
        let link = reply.headers.get("link").cloned();
        let page = reply.expect(200);
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= limit);
        let name = |row: &Value| row["productDetails"]["name"].as_str().unwrap().to_owned();
        names.extend(rows.iter().map(name));
        let Some(cursor) = page["nextCursor"].as_str() else {
            assert_eq!(link, None);
            return names;
        };
        path = format!("{PURCHASES}?limit={limit}&cursor={cursor}");
        assert_eq!(link.unwrap(), format!("<{path}>; rel=\"next\"").as_str());
    }
}

#[tokio::test]
async fn the_history_is_read_page_by_page_newest_first_without_gaps_or_repetitions() {
    let app = TestApp::start().await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let course = course(&admin, "A course").await;
    for number in 0..5 {
        let product = product(&admin, &format!("Gift {number}"), 0, &[&course]).await;
        let claim = format!("/v1/products/{product}/claim");
        learner.call(&claim).await.expect(201);
        app.learner("two").call(&claim).await.expect(201);
    }
    let newest_first = ["Gift 4", "Gift 3", "Gift 2", "Gift 1", "Gift 0"];
    for limit in [1, 2, 3, 5, 100] {
        assert_eq!(names(&learner, limit).await, newest_first, "{limit}");
    }
    // Purchases of one moment come in one order, whatever the page's size.
    app.sql("ALTER TABLE purchases DISABLE TRIGGER USER");
    app.sql("UPDATE purchases SET created_at = '2026-01-01'");
    let together = names(&learner, 100).await;
    assert_eq!(together.len(), 5);
    for limit in [1, 2, 3] {
        assert_eq!(names(&learner, limit).await, together, "{limit}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let app = TestApp::start().await;
    let learner = app.learner("one");
    for (query, status, code) in [
        ("cursor=", 400, "invalid-cursor"),
        ("cursor=abc", 400, "invalid-cursor"),
        ("cursor=%00", 400, "invalid-cursor"),
        // {"s":"name","k":"a","i":"..."}: the cursor of another order.
        (
            "cursor=eyJzIjoibmFtZSIsImsiOiJhIiwiaSI6IjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMCJ9",
            400,
            "invalid-cursor",
        ),
        ("limit=0", 422, "invalid"),
        ("limit=101", 422, "invalid"),
        ("limit=-1", 422, "invalid"),
        ("limit=many", 422, "invalid"),
        ("page=2", 422, "invalid"),
    ] {
        let reply = learner.get(&format!("{PURCHASES}?{query}")).await;
        assert_eq!(reply.status, status, "{query}: {}", reply.text);
        let problem = reply.expect_problem(status, code);
        if status == 422 {
            let name = query.split('=').next().unwrap();
            assert_eq!(problem["errors"][0]["parameter"], name, "{query}");
        }
    }
    app.finish().await;
}
