//! Two sessions of one buyer for one product that were both paid: both are booked, and one goes back.

use lectern::dev::stripe::Outcome;
use serde_json::{Value, json};

use crate::support::buying::{has_access, open};
use crate::support::refunding::{Sale, refunds_at_stripe};
use crate::support::shop::session_of;
use crate::support::{Client, Shop, TestApp};

/// Two checkouts of one buyer for one product, both paid. Returns Stripe's events of the completions, in order.
async fn pay_twice(app: &TestApp, shop: &Shop, learner: &Client) -> ([Value; 2], Vec<Value>) {
    let first = open(learner, shop.order()).await;
    // As if the store had given it up, and Stripe had not heard.
    app.sql("UPDATE checkouts SET status = 'canceled' WHERE status = 'open'");
    let second = open(learner, shop.order()).await;
    for checkout in [&first, &second] {
        let session = session_of(app, checkout);
        app.stripe.pay(&session, Outcome::Paid).unwrap();
    }
    let mut told = app.hold_events();
    told.retain(|event| event["type"] == "checkout.session.completed");
    ([first, second], told)
}

/// H: B8
#[tokio::test]
async fn the_second_of_two_sessions_that_were_both_paid_is_given_back_by_itself() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let ([first, second], told) = pay_twice(&app, &shop, &learner).await;
    for event in &told {
        app.hear([event]).await;
    }
    app.settle().await;
    let first = Sale::behind(&app, &shop, learner.clone(), &first);
    let second = Sale::behind(&app, &shop, learner.clone(), &second);
    first.holds(0, "paid", true).await;
    second.holds(4900, "refunded", true).await;
    assert_eq!(first.look().await["flags"], json!([]));
    assert_eq!(second.look().await["flags"], json!(["duplicate"]));
    let refunds = second.admin.get(&second.refunds()).await.expect(200);
    assert_eq!(refunds["data"][0]["reason"], "duplicate");
    assert_eq!(refunds["data"][0]["status"], "succeeded");
    assert_eq!(refunds["data"][0]["requestedBy"], Value::Null);
    let made = refunds_at_stripe(&app).await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["charge"], second.charge);
    assert_eq!(made[0]["reason"], "duplicate");
    let own = format!("access_grants WHERE purchase_id = '{}'", second.id);
    assert_eq!(app.count(&own), 0);

    // Even when that fails, the second gives nothing of its own.
    let refund = made[0]["id"].as_str().unwrap();
    app.stripe.fail_refund(refund).unwrap();
    app.settle().await;
    second.holds(0, "paid", true).await;
    first.refund(json!({})).await;
    app.settle().await;
    second.holds(0, "paid", false).await;
    app.finish().await;
}

/// H: B8, A8
#[tokio::test]
async fn of_two_payments_that_are_told_at_once_exactly_one_is_given_back() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for round in 1..=5 {
        let learner = app.learner(&format!("buyer-{round}"));
        let (_, told) = pay_twice(&app, &shop, &learner).await;
        for event in &told {
            app.stripe_event(event).await.expect(200);
        }
        app.work().await;
        app.settle().await;
        assert!(has_access(&learner, &shop.course).await);
        assert_eq!(app.count("purchases"), 2 * round);
        assert_eq!(app.count("purchases WHERE flags = '{duplicate}'"), round);
        assert_eq!(app.count("purchases WHERE refunded_at IS NOT NULL"), round);
        let made = refunds_at_stripe(&app).await.len();
        assert_eq!(i64::try_from(made).unwrap(), round);
    }
    app.finish().await;
}

/// H: B8, D4
#[tokio::test]
async fn a_second_payment_that_went_back_already_is_not_given_back_again() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, amount) in [("whole", 4900), ("part", 900)] {
        let learner = app.learner(name);
        let ([first, second], told) = pay_twice(&app, &shop, &learner).await;
        let charge = app.stripe.charge_of(&session_of(&app, &second)).unwrap();
        app.stripe
            .refund_from_dashboard(&charge, Some(amount))
            .unwrap();
        app.settle().await;
        for event in &told {
            app.hear([event]).await;
        }
        app.settle().await;
        let [first, second] =
            [first, second].map(|it| Sale::behind(&app, &shop, learner.clone(), &it));
        first.holds(0, "paid", true).await;
        second.holds(4900, "refunded", true).await;
        let refunded = app.stripe.object(&charge).unwrap()["amount_refunded"].clone();
        assert_eq!(refunded, 4900, "{name}");
    }
    app.finish().await;
}
