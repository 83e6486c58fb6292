//! Prices by purchasing power.

use lectern::dev::stripe::Outcome;
use serde_json::json;

use crate::support::shop::session_of;
use crate::support::{Client, Reply, Shop, TestApp};

/// A store behind a proxy on this machine that names the caller's country.
async fn behind_a_proxy() -> TestApp {
    TestApp::start_with(&[
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
        ("COUNTRY_HEADER", "cf-ipcountry"),
    ])
    .await
}

async fn get_from(client: &Client, country: &str, path: &str) -> Reply {
    client
        .send(
            client
                .request(reqwest::Method::GET, path)
                .header("cf-ipcountry", country),
        )
        .await
}

async fn order_from(client: &Client, country: &str, order: &serde_json::Value) -> Reply {
    let request = client
        .request(reqwest::Method::POST, "/v1/checkout/sessions")
        .json(order);
    client.send(request.header("cf-ipcountry", country)).await
}

/// H: B15
#[tokio::test]
async fn a_country_counts_only_from_a_trusted_proxy() {
    let app = TestApp::start_with(&[
        ("TRUSTED_PROXIES", "10.0.0.0/8"),
        ("COUNTRY_HEADER", "cf-ipcountry"),
    ])
    .await;
    let shop = Shop::open(&app).await;
    let forged = get_from(
        &app.anon(),
        "IN",
        &format!("/v1/products/{}/quote", shop.product),
    )
    .await
    .expect(200);
    assert_eq!(forged["totalInCents"], 4900);
    assert_eq!(forged["country"], json!(null));
    let discount = get_from(&app.anon(), "IN", "/v1/pricing/discount")
        .await
        .expect(200);
    assert_eq!(discount, json!({ "country": null, "percentOff": 0 }));
    app.finish().await;
}

#[tokio::test]
async fn a_caller_is_told_their_tier_or_none() {
    let app = behind_a_proxy().await;
    let rows = [
        ("IN", 50),
        ("br", 40),
        ("IT", 30),
        ("DE", 20),
        ("US", 0),
        ("XX", 0),
        ("INDIA", 0),
        ("", 0),
    ];
    for (country, percent) in rows {
        let discount = get_from(&app.anon(), country, "/v1/pricing/discount")
            .await
            .expect(200);
        assert_eq!(discount["percentOff"], percent, "{country}");
        let expected = if percent > 0 {
            json!(country.to_uppercase())
        } else {
            json!(null)
        };
        assert_eq!(discount["country"], expected, "{country}");
    }
    app.finish().await;
}

/// H: B13, B14, B16
#[tokio::test]
async fn quote_session_and_purchase_agree_to_the_cent_and_the_coupon_is_made_on_demand() {
    let app = behind_a_proxy().await;
    // Odd amounts, where a half cent has to be rounded the same way everywhere.
    for (index, (price, country, discount)) in [
        (4901, "IN", 2451),
        (4999, "BR", 2000),
        (3335, "IT", 1001),
        (4_999_999, "DE", 1_000_000),
    ]
    .into_iter()
    .enumerate()
    {
        let shop = Shop::open_at(&app, price).await;
        let learner = app.learner(&format!("buyer-{index}"));
        let path = format!("/v1/products/{}/quote", shop.product);
        let quote = get_from(&learner, country, &path).await.expect(200);
        assert_eq!(quote["discountInCents"], discount);
        assert_eq!(quote["totalInCents"], price - discount);
        assert_eq!(quote["country"], country);

        let checkout = order_from(&learner, country, &shop.order())
            .await
            .expect(201);
        assert_eq!(checkout["totalInCents"], quote["totalInCents"]);
        let session = session_of(&app, &checkout);
        assert_eq!(
            app.stripe.object(&session).unwrap()["amount_total"],
            quote["totalInCents"]
        );

        app.stripe.pay_from(&session, Outcome::Paid, "US").unwrap();
        app.settle().await;
        let purchases = learner.get("/v1/me/purchases").await.expect(200);
        let purchase = &purchases["data"][0];
        assert_eq!(purchase["pricePaidInCents"], quote["totalInCents"]);
        let amounts: Vec<_> = purchase["pricingRows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["amountInCents"].as_i64().unwrap())
            .collect();
        assert_eq!(
            amounts,
            [
                i64::from(price),
                -i64::from(discount),
                i64::from(price - discount)
            ]
        );
    }
    assert_eq!(
        app.count("purchases WHERE card_country = 'US'"),
        4,
        "the card's country is recorded"
    );
    assert_eq!(app.stripe.count("POST /v1/coupons"), 4);
    app.finish().await;
}

/// H: B13
#[tokio::test]
async fn a_coupon_that_was_removed_at_stripe_is_made_again() {
    let app = behind_a_proxy().await;
    let shop = Shop::open(&app).await;
    let first = order_from(&app.learner("one"), "IN", &shop.order())
        .await
        .expect(201);
    let coupon = app
        .stripe
        .requests()
        .into_iter()
        .find(|request| request.path == "/v1/coupons")
        .unwrap();
    app.stripe
        .delete_coupon(coupon.form.get("id").unwrap())
        .unwrap();
    let second = order_from(&app.learner("two"), "IN", &shop.order())
        .await
        .expect(201);
    assert_eq!(first["totalInCents"], 2450);
    assert_eq!(second["totalInCents"], 2450);
    app.finish().await;
}

#[tokio::test]
async fn another_country_makes_another_offer() {
    let app = behind_a_proxy().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let at_home = order_from(&learner, "IN", &shop.order()).await.expect(201);
    let abroad = order_from(&learner, "US", &shop.order()).await.expect(201);
    assert_ne!(at_home["id"], abroad["id"]);
    assert_eq!(abroad["totalInCents"], 4900);
    app.finish().await;
}

#[tokio::test]
async fn the_owner_replaces_the_tiers_and_the_next_quote_follows() {
    let app = behind_a_proxy().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let seeded = admin.get("/v1/admin/pricing/tiers").await.expect(200);
    let percents: Vec<_> = seeded["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tier| tier["percentOff"].as_i64().unwrap())
        .collect();
    assert_eq!(percents, [50, 40, 30, 20]);

    let tiers = json!({ "data": [{ "percentOff": 25, "countries": ["US", "CA"] }] });
    let replace = |body: serde_json::Value| {
        admin.send(
            admin
                .request(reqwest::Method::PUT, "/v1/admin/pricing/tiers")
                .json(&body),
        )
    };
    assert_eq!(
        replace(tiers).await.expect(200)["data"][0]["countries"],
        json!(["CA", "US"])
    );
    let path = format!("/v1/products/{}/quote", shop.product);
    assert_eq!(
        get_from(&app.anon(), "US", &path).await.expect(200)["percentOff"],
        25
    );
    assert_eq!(
        get_from(&app.anon(), "IN", &path).await.expect(200)["percentOff"],
        0
    );

    let twice = json!({ "data": [{ "percentOff": 25, "countries": ["US"] }, { "percentOff": 30, "countries": ["CA", "US"] }] });
    replace(twice).await.expect_invalid("/data/1/countries/1");
    for (tier, pointer) in [
        (
            json!({ "percentOff": 0, "countries": ["US"] }),
            "/data/0/percentOff",
        ),
        (
            json!({ "percentOff": 101, "countries": ["US"] }),
            "/data/0/percentOff",
        ),
        (
            json!({ "percentOff": 10, "countries": [] }),
            "/data/0/countries",
        ),
        (
            json!({ "percentOff": 10, "countries": ["usa"] }),
            "/data/0/countries/0",
        ),
    ] {
        replace(json!({ "data": [tier] }))
            .await
            .expect_invalid(pointer);
    }
    assert_eq!(
        admin.get("/v1/admin/pricing/tiers").await.expect(200)["data"][0]["percentOff"],
        25
    );
    app.finish().await;
}

#[tokio::test]
async fn tiers_replaced_at_once_are_replaced_one_after_the_other_and_what_stays_is_not_touched() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let put = |percent: i32| {
        let tiers = json!({ "data": [{ "percentOff": percent, "countries": ["IN", "US"] }] });
        admin.send(
            admin
                .request(reqwest::Method::PUT, "/v1/admin/pricing/tiers")
                .json(&tiers),
        )
    };
    for reply in futures_util::future::join_all((1..=6).map(put)).await {
        reply.expect(200);
    }
    put(50).await.expect(200);
    let written = app.count("audit_log");
    put(50).await.expect(200);
    assert_eq!(app.count("audit_log"), written);
    app.finish().await;
}
