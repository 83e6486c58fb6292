//! Opening a checkout: what is sold, to whom, at what price, and once.

use futures_util::future::join_all;
use lectern::dev::stripe::Outcome;
use serde_json::{Value, json};

use crate::support::app::RETURN_URL;
use crate::support::buying::{CHECKOUTS, has_access, look, open, path, sessions_at_stripe};
use crate::support::refunding::{Sale, refunds_at_stripe};
use crate::support::shop::{buy, course, order, product, session_of};
use crate::support::{Shop, TestApp};

/// An order with some fields different.
fn order_with(shop: &Shop, changes: Value) -> Value {
    let mut order = shop.order();
    let fields = order.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    order
}

#[tokio::test]
async fn a_paid_checkout_gives_the_purchase_and_the_access() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let reply = learner.post(CHECKOUTS, shop.order()).await;
    let location = reply.header("location").to_owned();
    let checkout = reply.expect(201);
    assert_eq!(location, path(&checkout));
    assert_eq!(checkout["status"], "open");
    assert_eq!(checkout["totalInCents"], 4900);
    assert!(checkout["url"].is_string());
    assert!(!has_access(&learner, &shop.course).await);

    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    app.settle().await;
    let done = look(&learner, &checkout).await;
    assert_eq!(done["status"], "fulfilled");
    assert_eq!(done["url"], json!(null));
    assert!(done["purchaseId"].is_string());
    assert!(has_access(&learner, &shop.course).await);
    app.finish().await;
}

/// H: B1
#[tokio::test]
async fn the_price_the_name_and_the_buyer_are_not_the_clients_to_say() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    for (field, value) in [
        ("priceInCents", json!(1)),
        ("totalInCents", json!(1)),
        ("currency", json!("vnd")),
        ("name", json!("Something else")),
        ("userId", json!(shop.product)),
        ("percentOff", json!(100)),
    ] {
        let order = order_with(&shop, json!({ field: value }));
        let reply = learner.post(CHECKOUTS, order).await;
        reply.expect_invalid(&format!("/{field}"));
    }
    assert_eq!(app.count("checkouts"), 0);
    assert_eq!(app.stripe.requests(), []);
    app.finish().await;
}

/// H: B1
#[tokio::test]
async fn stripe_is_told_what_the_database_says() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let person = app.clerk.person(&learner.clerk_user_id).unwrap();
    let created = app
        .clerk
        .user_event(lectern::dev::clerk::UserEvent::Created, &person);
    assert_eq!(app.clerk.deliver(&created).await.unwrap(), 200);
    app.work().await;
    let return_url = "https://shop.example.com/paid/{CHECKOUT_ID}";
    for (ui_mode, at_stripe, url_field) in [
        ("hosted", "hosted_page", "success_url"),
        ("embedded", "embedded_page", "return_url"),
        ("elements", "elements", "return_url"),
    ] {
        let changes = json!({ "uiMode": ui_mode, "returnUrl": return_url });
        let checkout = open(&learner, order_with(&shop, changes)).await;
        assert_eq!(checkout["clientSecret"].is_string(), ui_mode != "hosted");
        assert_eq!(checkout["url"].is_string(), ui_mode == "hosted");
        let id = checkout["id"].as_str().unwrap();
        let sent = app.stripe.requests().pop().unwrap().form;
        let return_url = format!("https://shop.example.com/paid/{id}");
        for (parameter, value) in [
            ("ui_mode", at_stripe),
            (url_field, return_url.as_str()),
            ("metadata[checkoutId]", id),
            ("payment_intent_data[metadata][checkoutId]", id),
            ("customer_email", "one@example.com"),
            ("line_items[0][quantity]", "1"),
            ("line_items[0][price_data][unit_amount]", "4900"),
            ("line_items[0][price_data][currency]", "usd"),
            (
                "line_items[0][price_data][product_data][name]",
                "Web course",
            ),
            ("adaptive_pricing[enabled]", "false"),
        ] {
            assert_eq!(sent.get(parameter), Some(value), "{ui_mode}: {parameter}");
        }
    }
    app.settle().await;
    app.finish().await;
}

/// H: B2
#[tokio::test]
async fn a_price_other_than_the_one_shown_is_answered_with_the_new_quote() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let stale = order_with(&shop, json!({ "expectedTotalInCents": 3900 }));
    let problem = learner.post(CHECKOUTS, stale).await;
    let problem = problem.expect_problem(409, "price-changed");
    let quote = format!("/v1/products/{}/quote", shop.product);
    assert_eq!(problem["quote"], learner.get(&quote).await.expect(200));
    assert_eq!(problem["quote"]["totalInCents"], 4900);
    assert_eq!(app.stripe.requests(), []);

    let shown = order_with(&shop, json!({ "expectedTotalInCents": 4900 }));
    assert_eq!(open(&learner, shown).await["totalInCents"], 4900);
    app.finish().await;
}

/// H: B3, B4
#[tokio::test]
async fn the_offer_stands_whatever_becomes_of_the_product_before_the_payment() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let other = course(&admin, "Another course").await;
    let checkout = open(&learner, shop.order()).await;
    let product = format!("/v1/admin/products/{}", shop.product);
    let edit = json!({
        "name": "Renamed", "priceInCents": 9900, "courseIds": [other], "status": "private",
        "imageUrl": "/other.png",
    });
    admin.patch(&product, edit).await.expect(200);
    admin.delete(&product).await.expect(204);

    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    app.settle().await;
    let done = look(&learner, &checkout).await;
    assert_eq!(done["status"], "fulfilled");
    assert!(has_access(&learner, &shop.course).await);
    assert!(!has_access(&learner, &other).await);
    let purchase = format!("/v1/me/purchases/{}", done["purchaseId"].as_str().unwrap());
    let purchase = learner.get(&purchase).await.expect(200);
    assert_eq!(purchase["pricePaidInCents"], 4900);
    assert_eq!(
        purchase["productDetails"],
        json!({
            "name": "Web course", "description": "All you need.",
            "imageUrl": "https://images.example.com/web.png",
        })
    );
    app.finish().await;
}

/// H: C11, C12
#[tokio::test]
async fn an_owner_keeps_what_they_bought_when_courses_come_to_the_product_or_go() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, early, late) = (app.admin(), app.learner("early"), app.learner("late"));
    let other = course(&admin, "Another course").await;
    let checkout = open(&early, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let told = app.hold_events();
    app.hear(&told).await;
    let product = format!("/v1/admin/products/{}", shop.product);
    let exchange = json!({ "courseIds": [other] });
    admin.patch(&product, exchange).await.expect(200);
    shop.buy(&app, &late).await;
    // Whoever tells of the payment again gives nothing new.
    app.sql(
        "UPDATE webhook_events SET status = 'received', processed_at = NULL, due_at = now()
         WHERE provider = 'stripe'",
    );
    app.work().await;
    admin.call("/v1/admin/reconcile").await.expect(200);
    for (learner, first, second) in [(&early, true, false), (&late, false, true)] {
        assert_eq!(has_access(learner, &shop.course).await, first);
        assert_eq!(has_access(learner, &other).await, second);
    }
    app.finish().await;
}

/// H: B17
#[tokio::test]
async fn an_amount_of_a_currency_without_cents_is_never_multiplied() {
    let app = TestApp::start_with(&[("CURRENCY", "jpy")]).await;
    let shop = Shop::open_at(&app, 4900).await;
    let learner = app.learner("one");
    let checkout = shop.buy(&app, &learner).await;
    assert_eq!(checkout["totalInCents"], 4900);
    assert_eq!(checkout["currency"], "jpy");
    let session = app.stripe.object(&session_of(&app, &checkout)).unwrap();
    assert_eq!(session["amount_total"], 4900);
    assert_eq!(session["currency"], "jpy");
    let sale = Sale::behind(&app, &shop, learner, &checkout);
    let refund = sale.refund(json!({ "amountInCents": 49 })).await;
    assert_eq!(refund["currency"], "jpy");
    let made = refunds_at_stripe(&app).await;
    assert_eq!(made[0]["amount"], 49);
    sale.holds(49, "partially_refunded", true).await;
    app.settle().await;
    app.finish().await;
}

/// H: B5, B6
#[tokio::test]
async fn what_is_owned_is_not_sold_again_but_a_bundle_around_it_is() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    shop.buy(&app, &learner).await;
    let again = learner.post(CHECKOUTS, shop.order()).await;
    again.expect_problem(409, "already-owned");

    let other = course(&admin, "Another course").await;
    let bundle = product(&admin, "Bundle", 7900, &[&shop.course, &other]).await;
    let quote = format!("/v1/products/{bundle}/quote");
    let quote = learner.get(&quote).await.expect(200);
    assert_eq!(quote["owned"], false);
    let overlap = json!([{ "id": shop.course, "name": "Rust for the Web" }]);
    assert_eq!(quote["overlap"], overlap);
    buy(&app, &learner, &bundle).await;
    assert!(has_access(&learner, &other).await);
    app.finish().await;
}

/// H: B7
#[tokio::test]
async fn a_hundred_orders_at_once_open_one_session() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let orders = (0..100).map(|_| open(&learner, shop.order()));
    let checkouts = join_all(orders).await;
    for checkout in &checkouts {
        assert_eq!(checkout, &checkouts[0]);
    }
    assert_eq!(app.count("checkouts"), 1);
    assert_eq!(sessions_at_stripe(&app).await.len(), 1);
    let somebody_else = open(&app.learner("two"), shop.order()).await;
    assert_ne!(somebody_else["id"], checkouts[0]["id"]);
    app.finish().await;
}

/// H: B7
#[tokio::test]
async fn another_form_page_or_price_replaces_the_session_and_closes_the_old_one() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let product = format!("/v1/admin/products/{}", shop.product);
    let mut before = open(&learner, shop.order()).await;
    for (edit, changes) in [
        (json!({}), json!({ "uiMode": "embedded" })),
        (
            json!({}),
            json!({ "returnUrl": "https://shop.example.com/elsewhere" }),
        ),
        (json!({ "priceInCents": 5900 }), json!({})),
        (json!({ "name": "Renamed" }), json!({})),
    ] {
        admin.patch(&product, edit.clone()).await.expect(200);
        let order = order_with(&shop, changes.clone());
        let next = open(&learner, order.clone()).await;
        assert_ne!(next["id"], before["id"], "{edit} {changes}");
        assert_eq!(open(&learner, order).await, next);
        app.settle().await;
        assert_eq!(look(&learner, &before).await["status"], "canceled");
        let old = app.stripe.object(&session_of(&app, &before)).unwrap();
        assert_eq!(old["status"], "expired");
        before = next;
    }
    let open = sessions_at_stripe(&app).await.into_iter();
    assert_eq!(
        open.filter(|session| session["status"] == "open").count(),
        1
    );
    app.finish().await;
}

/// H: B10, B12
#[tokio::test]
async fn stripe_is_not_called_for_what_it_would_not_charge() {
    let app = TestApp::start().await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let course = course(&admin, "A course").await;
    for (price, status, code) in [
        (0, 409, "product-free"),
        (1, 422, "below-minimum-charge"),
        (49, 422, "below-minimum-charge"),
    ] {
        let product = product(&admin, "Cheap", price, &[&course]).await;
        let reply = learner.post(CHECKOUTS, order(&product)).await;
        reply.expect_problem(status, code);
    }
    assert_eq!(app.stripe.requests(), []);
    let product = product(&admin, "Cheap", 50, &[&course]).await;
    open(&learner, order(&product)).await;
    app.finish().await;
}

/// H: B18
#[tokio::test]
async fn a_buyer_is_sent_back_to_the_stores_own_pages_only() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let too_long = format!("{RETURN_URL}?{}", "x".repeat(2000));
    for url in [
        "https://evil.example.com/return",
        "https://shop.example.com.evil.example/return",
        "https://shop.example.com@evil.example/return",
        "https://shop.example.com:8443/return",
        "http://shop.example.com/return",
        "//shop.example.com/return",
        "/return",
        "javascript:alert(1)",
        "",
        "https://shop.example.com/\0",
        "https://shop.example.com/\r\nX: y",
        &too_long,
    ] {
        let order = order_with(&shop, json!({ "returnUrl": url }));
        let reply = learner.post(CHECKOUTS, order).await;
        reply.expect_invalid("/returnUrl");
    }
    assert_eq!(app.stripe.requests(), []);
    app.finish().await;
}

/// H: B19
#[tokio::test]
async fn what_is_not_on_sale_is_not_found() {
    let app = TestApp::start().await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let course = course(&admin, "A course").await;
    let (private, deleted) = (
        product(&admin, "Private", 4900, &[&course]).await,
        product(&admin, "Deleted", 4900, &[&course]).await,
    );
    let hide = json!({ "status": "private" });
    let private_path = format!("/v1/admin/products/{private}");
    admin.patch(&private_path, hide).await.expect(200);
    let deleted_path = format!("/v1/admin/products/{deleted}");
    admin.delete(&deleted_path).await.expect(204);
    for id in [&private, &deleted, &course] {
        let reply = learner.post(CHECKOUTS, order(id)).await;
        reply.expect_problem(404, "not-found");
    }
    let malformed = learner.post(CHECKOUTS, order("42")).await;
    malformed.expect_invalid("/productId");
    assert_eq!(app.stripe.requests(), []);
    app.finish().await;
}

/// H: B20
#[tokio::test]
async fn who_acts_as_somebody_else_may_look_but_not_buy() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let support = app.learner_with("one", json!({ "act": { "sub": "user_2support" } }));
    let order = support.post(CHECKOUTS, shop.order()).await;
    order.expect_problem(403, "impersonation-forbidden");
    let claim = format!("/v1/products/{}/claim", shop.product);
    let claim = support.call(&claim).await;
    claim.expect_problem(403, "impersonation-forbidden");
    support.get("/v1/me/purchases").await.expect(200);
    app.anon()
        .post(CHECKOUTS, shop.order())
        .await
        .expect_problem(401, "unauthenticated");
    assert_eq!(app.stripe.requests(), []);
    app.finish().await;
}
