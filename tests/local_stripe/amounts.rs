//! What a session costs: line items, coupons, and the least and most that can be charged.

use serde_json::{Value, json};

use crate::support::{Stand, id};

const AMOUNT: &str = "line_items[0][price_data][unit_amount]";
const COUPON: &str = "discounts[0][coupon]";

async fn coupon(stand: &Stand, parameters: &[(&str, &str)]) -> String {
    id(&stand.post("/v1/coupons", parameters).await.ok())
}

async fn total(stand: &Stand, amount: &str, coupon: &str) -> Value {
    let session = stand.create(&[(AMOUNT, amount), (COUPON, coupon)]).await;
    let session = session.ok();
    let discount = session["total_details"]["amount_discount"]
        .as_i64()
        .unwrap();
    let (subtotal, total) = (&session["amount_subtotal"], &session["amount_total"]);
    assert_eq!(
        subtotal.as_i64().unwrap() - discount,
        total.as_i64().unwrap()
    );
    total.clone()
}

#[actix_web::test]
async fn a_percentage_is_rounded_half_up_in_the_smallest_unit() {
    let stand = Stand::start();
    let ten = coupon(&stand, &[("percent_off", "10")]).await;
    let third = coupon(&stand, &[("percent_off", "33.33")]).await;
    for (amount, coupon, expected) in [
        ("1004", &ten, 904),    // 100.4 off
        ("1005", &ten, 904),    // 100.5 off, becomes 101
        ("1006", &ten, 905),    // 100.6 off, becomes 101
        ("1000", &third, 667),  // 333.3 off
        ("1500", &third, 1000), // 499.95 off, becomes 500
    ] {
        assert_eq!(total(&stand, amount, coupon).await, expected, "{amount}");
    }
}

#[actix_web::test]
async fn a_fixed_amount_comes_off_down_to_nothing_in_its_own_currency() {
    let stand = Stand::start();
    let off = [("amount_off", "1500"), ("currency", "usd")];
    let off = coupon(&stand, &off).await;
    assert_eq!(total(&stand, "2000", &off).await, 500);
    assert_eq!(total(&stand, "1500", &off).await, 0);
    assert_eq!(total(&stand, "900", &off).await, 0);
    let changes = [
        ("line_items[0][price_data][currency]", "eur"),
        (COUPON, &off),
    ];
    assert_eq!(
        stand.create(&changes).await.refused(400)["param"],
        "discounts"
    );
}

#[actix_web::test]
async fn a_coupon_that_is_missing_or_used_up_is_refused() {
    let stand = Stand::start();
    let error = stand.create(&[(COUPON, "spring")]).await.refused(400);
    assert_eq!(error["code"], "resource_missing");
    assert_eq!(error["param"], COUPON);

    let once = [
        ("id", "spring"),
        ("percent_off", "50"),
        ("max_redemptions", "1"),
    ];
    coupon(&stand, &once).await;
    let again = stand.post("/v1/coupons", &once).await.refused(400);
    assert_eq!(again["code"], "resource_already_exists");
    let session = stand.create(&[(COUPON, "spring")]).await.ok();
    let paid = lectern::dev::stripe::Outcome::Paid;
    stand.stripe.pay(&id(&session), paid).unwrap();
    let used = stand.object("/v1/coupons/spring").await;
    assert_eq!(
        (&used["times_redeemed"], &used["valid"]),
        (&json!(1), &json!(false))
    );
    let error = stand.create(&[(COUPON, "spring")]).await.refused(400);
    assert_eq!(error["code"], "coupon_expired");
}

#[actix_web::test]
async fn a_total_is_nothing_or_at_least_stripes_minimum_and_at_most_its_maximum() {
    let stand = Stand::start();
    let currency = "line_items[0][price_data][currency]";
    for (currency_code, least) in [("usd", 50), ("gbp", 30), ("dkk", 250)] {
        for (amount, accepted) in [(least - 1, false), (least, true), (0, true)] {
            let amount = amount.to_string();
            let changes = [(currency, currency_code), (AMOUNT, &*amount)];
            let reply = stand.create(&changes).await;
            if accepted {
                reply.ok();
            } else {
                assert_eq!(reply.refused(400)["code"], "amount_too_small");
            }
        }
    }
    stand.create(&[(AMOUNT, "99999999")]).await.ok();
    let quantity = ("line_items[0][quantity]", "99999999");
    coupon(&stand, &[("id", "half"), ("percent_off", "50")]).await;
    let changes = [(AMOUNT, "99999999"), quantity, (COUPON, "half")];
    assert_eq!(
        stand.create(&changes).await.refused(400)["code"],
        "amount_too_large"
    );
}

#[actix_web::test]
async fn nothing_is_due_when_a_coupon_takes_everything_off() {
    let stand = Stand::start();
    let all = coupon(&stand, &[("percent_off", "100")]).await;
    let session = id(&stand.create(&[(COUPON, &all)]).await.ok());
    let paid = lectern::dev::stripe::Outcome::Paid;
    let session = stand.stripe.pay(&session, paid).unwrap();
    assert_eq!(session["status"], "complete");
    assert_eq!(session["payment_status"], "no_payment_required");
    assert_eq!(session["payment_intent"], json!(null));
    assert_eq!(stand.event_types(0), ["checkout.session.completed"]);
}

#[actix_web::test]
async fn line_items_share_a_discount_to_the_last_cent_and_none_falls_below_nothing() {
    let stand = Stand::start();
    let off = coupon(&stand, &[("percent_off", "10")]).await;
    let product = "[price_data][product_data][name]";
    let mut changes = vec![(COUPON.to_owned(), off)];
    for (index, amount) in ["333", "333", "333", "0"].iter().enumerate() {
        let item = format!("line_items[{index}]");
        changes.extend([
            (format!("{item}[price_data][currency]"), "usd".to_owned()),
            (
                format!("{item}[price_data][unit_amount]"),
                (*amount).to_owned(),
            ),
            (format!("{item}{product}"), format!("Part {index}")),
            (format!("{item}[quantity]"), "1".to_owned()),
        ]);
    }
    let changes: Vec<_> = changes
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let session = stand.create(&changes).await.ok();
    assert_eq!(session["amount_total"], 899);
    let path = format!("/v1/checkout/sessions/{}/line_items", id(&session));
    let items = stand.object(&path).await["data"]
        .as_array()
        .unwrap()
        .clone();
    let totals: Vec<_> = items
        .iter()
        .map(|item| item["amount_total"].as_i64().unwrap())
        .collect();
    assert_eq!(totals.iter().sum::<i64>(), 899);
    assert!(
        totals[..3].iter().all(|total| (299..=300).contains(total)),
        "{totals:?}"
    );
    assert_eq!(totals[3], 0);
}
