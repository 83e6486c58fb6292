//! From the payment to the access: once, whole, from the frozen offer, in whatever order Stripe speaks.

use futures_util::future::{join_all, join3};
use lectern::dev::clerk::UserEvent;
use lectern::dev::stripe::Outcome;
use lectern::repositories::webhook_event;
use serde_json::{Value, json};

use crate::support::buying::{CHECKOUTS, event, has_access, look, open, paid, path, session_event};
use crate::support::shop::{course, product, session_of};
use crate::support::{Client, Shop, TestApp};

const COMPLETED: &str = "checkout.session.completed";
const SUCCEEDED: &str = "checkout.session.async_payment_succeeded";
const FAILED: &str = "checkout.session.async_payment_failed";
const EXPIRED: &str = "checkout.session.expired";

/// A learner whose payment is under way: the checkout is complete, the money is not there.
async fn pay_later(app: &TestApp, shop: &Shop, learner: &Client) -> (Value, String) {
    let checkout = open(learner, shop.order()).await;
    let session = session_of(app, &checkout);
    app.stripe.pay(&session, Outcome::Delayed).unwrap();
    app.settle().await;
    (checkout, session)
}

/// H: C1
#[tokio::test]
async fn a_completed_checkout_without_the_money_gives_nothing_yet() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let (checkout, session) = pay_later(&app, &shop, &learner).await;
    let now = look(&learner, &checkout).await;
    assert_eq!(now["status"], "processing");
    assert_eq!(now["purchaseId"], json!(null));
    assert!(!has_access(&learner, &shop.course).await);
    assert_eq!(app.count("purchases"), 0);
    let mut order = shop.order();
    order["uiMode"] = json!("embedded");
    let again = open(&learner, order).await;
    assert_eq!(again["id"], checkout["id"]);
    assert_eq!(again["url"], json!(null));
    let cancel = learner.call(&format!("{}/cancel", path(&checkout))).await;
    cancel.expect_problem(409, "checkout-not-open");

    app.stripe.settle(&session, true).unwrap();
    app.settle().await;
    assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
    assert!(has_access(&learner, &shop.course).await);
    assert_eq!(app.count("purchases"), 1);
    app.finish().await;
}

/// H: C2
#[tokio::test]
async fn a_payment_that_failed_late_gives_nothing_and_the_buyer_may_try_again() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, told) in [("by-webhook", true), ("by-status", false)] {
        let learner = app.learner(name);
        let (checkout, session) = pay_later(&app, &shop, &learner).await;
        app.stripe.settle(&session, false).unwrap();
        if told {
            app.settle().await;
            assert_eq!(app.count("checkouts WHERE status = 'failed'"), 1);
        }
        assert_eq!(look(&learner, &checkout).await["status"], "failed");
        assert!(!has_access(&learner, &shop.course).await);
        let next = shop.buy(&app, &learner).await;
        assert_ne!(next["id"], checkout["id"]);
    }
    assert_eq!(app.count("purchases"), 2);
    app.finish().await;
}

/// H: C4, C5
#[tokio::test]
async fn what_was_paid_is_booked_and_what_differs_from_the_offer_is_flagged() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, changes, booked, currency, access) in [
        ("exact", json!({}), 4900, "usd", true),
        ("less", json!({ "amount_total": 100 }), 100, "usd", false),
        ("more", json!({ "amount_total": 9900 }), 9900, "usd", true),
        ("other", json!({ "currency": "eur" }), 4900, "eur", false),
        ("capitals", json!({ "currency": "USD" }), 4900, "usd", true),
        (
            "nothing",
            json!({ "amount_total": 0, "payment_status": "no_payment_required" }),
            0,
            "usd",
            false,
        ),
    ] {
        let learner = app.learner(name);
        let checkout = open(&learner, shop.order()).await;
        let mut facts = paid();
        let fields = facts.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        let told = session_event(&app, &checkout, COMPLETED, &facts);
        app.hear([&told]).await;
        let done = look(&learner, &checkout).await;
        assert_eq!(done["status"], "fulfilled", "{name}");
        assert_eq!(has_access(&learner, &shop.course).await, access, "{name}");
        let id = done["purchaseId"].as_str().unwrap();
        let purchase = format!("/v1/me/purchases/{id}");
        let purchase = learner.get(&purchase).await.expect(200);
        assert_eq!(purchase["pricePaidInCents"], booked, "{name}");
        assert_eq!(purchase["currency"], currency, "{name}");
        let as_offered = booked == 4900 && currency == "usd";
        let flags = if as_offered {
            "'{}'"
        } else {
            "'{amount-mismatch}'"
        };
        let found = app.count(&format!("purchases WHERE id = '{id}' AND flags = {flags}"));
        assert_eq!(found, 1, "{name}");
    }
    app.finish().await;
}

/// H: C8
#[tokio::test]
async fn the_money_of_a_buyer_who_was_deleted_meanwhile_is_booked_and_flagged() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let person = app.clerk.person(&learner.clerk_user_id).unwrap();
    let deleted = app.clerk.user_event(UserEvent::Deleted, &person);
    assert_eq!(app.clerk.deliver(&deleted).await.unwrap(), 200);
    app.work().await;

    app.settle().await;
    let booked = "purchases JOIN users ON users.id = user_id
        WHERE users.deleted_at IS NOT NULL AND price_paid_in_cents = 4900
        AND flags = '{buyer-deleted}'";
    assert_eq!(app.count(booked), 1);
    assert_eq!(app.count("checkouts WHERE status = 'fulfilled'"), 1);
    assert_eq!(app.count("access_grants"), 0);
    app.finish().await;
}

/// H: C9, A7
#[tokio::test]
async fn a_fulfilment_that_breaks_in_the_middle_leaves_nothing_and_is_repeated_whole() {
    for table in ["purchases", "access_grants", "user_course_access", "jobs"] {
        let app = TestApp::start().await;
        let shop = Shop::open(&app).await;
        let learner = app.learner("one");
        let checkout = open(&learner, shop.order()).await;
        let session = session_of(&app, &checkout);
        app.stripe.pay(&session, Outcome::Paid).unwrap();
        app.break_inserts(table);
        app.settle().await;
        let jobs = "jobs WHERE kind = 'refresh_payment'";
        for table in ["purchases", "access_grants", "user_course_access", jobs] {
            assert_eq!(app.count(table), 0, "{table}");
        }
        assert_eq!(app.count("checkouts WHERE status = 'open'"), 1, "{table}");
        let waiting = "webhook_events WHERE status = 'received' AND attempts = 1
            AND processed_at IS NULL AND last_error IS NOT NULL AND due_at > now()";
        assert_eq!(app.count(waiting), 1, "{table}");

        app.mend();
        app.work_again().await;
        assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
        assert!(has_access(&learner, &shop.course).await);
        assert_eq!(app.count("purchases"), 1);
        app.finish().await;
    }
}

/// H: A7
#[tokio::test]
async fn an_event_whose_worker_died_is_taken_up_by_another_when_the_lease_ends() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let told = session_event(&app, &checkout, COMPLETED, &paid());
    app.stripe_event(&told).await.expect(200);
    let lease = std::time::Duration::from_secs(90);
    let taken = webhook_event::claim(&mut app.db(), lease, 8).unwrap();
    assert_eq!(taken.len(), 1);
    app.work().await;
    assert_eq!(app.count("purchases"), 0);

    app.work_again().await;
    assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
    app.finish().await;
}

/// H: A5, A6, A8
#[tokio::test]
async fn one_payment_has_one_effect_however_many_tell_of_it_at_once() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let paid = app.stripe.object(&session).unwrap();
    let (completed, succeeded) = (event(COMPLETED, &paid), event(SUCCEEDED, &paid));
    let told = (0..10).flat_map(|_| [&completed, &succeeded]);
    let told = join_all(told.map(|event| async {
        let reply = app.stripe_event(event).await;
        app.work().await;
        reply
    }));
    let asked = join_all((0..10).map(|_| look(&learner, &checkout)));
    let (told, asked, _) = join3(told, asked, app.settle()).await;
    for reply in told {
        reply.expect(200);
    }
    for status in asked {
        assert_eq!(status["status"], "fulfilled");
    }
    app.work().await;
    assert_eq!(app.count("purchases"), 1);
    assert_eq!(app.count("access_grants"), 1);
    assert_eq!(app.count("purchases WHERE flags = '{}'"), 1);
    assert_eq!(app.count("jobs WHERE kind = 'refresh_payment'"), 1);
    app.finish().await;
}

/// H: A6, A9
#[tokio::test]
async fn the_order_of_the_events_does_not_change_where_a_checkout_ends() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let unpaid = json!({ "status": "complete", "payment_status": "unpaid" });
    let expired = json!({ "status": "expired", "payment_status": "unpaid" });
    let paid = paid();
    let (completed, now) = ((COMPLETED, &unpaid), (COMPLETED, &paid));
    let (succeeded, failed) = ((SUCCEEDED, &paid), (FAILED, &unpaid));
    let ran_out = (EXPIRED, &expired);
    for (index, (facts, end)) in [
        (vec![now, succeeded], "fulfilled"),
        (vec![completed, succeeded], "fulfilled"),
        (vec![completed, failed], "failed"),
        (vec![completed, failed, succeeded], "fulfilled"),
        (vec![now, ran_out], "fulfilled"),
        (vec![ran_out], "expired"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut backwards = facts.clone();
        backwards.reverse();
        for (way, facts) in [("forth", facts), ("back", backwards)] {
            let learner = app.learner(&format!("buyer-{index}-{way}"));
            let checkout = open(&learner, shop.order()).await;
            // Each event is heard of twice, the second time after all the others.
            let events: Vec<_> = facts.iter().chain(&facts).collect();
            for (kind, changes) in events {
                let told = session_event(&app, &checkout, kind, changes);
                app.hear([&told]).await;
            }
            let done = look(&learner, &checkout).await;
            assert_eq!(done["status"], end, "{facts:?}");
            let access = has_access(&learner, &shop.course).await;
            assert_eq!(access, end == "fulfilled", "{facts:?}");
            assert_eq!(done["purchaseId"].is_string(), access);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_session_that_was_paid_is_fulfilled_when_another_is_asked_for_instead() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let first = open(&learner, shop.order()).await;
    let session = session_of(&app, &first);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let mut order = shop.order();
    order["uiMode"] = json!("embedded");
    let second = learner.post(CHECKOUTS, order).await;
    second.expect_problem(409, "already-owned");
    assert_eq!(look(&learner, &first).await["status"], "fulfilled");
    assert!(has_access(&learner, &shop.course).await);
    app.settle().await;
    let third = learner.post(CHECKOUTS, shop.order()).await;
    third.expect_problem(409, "already-owned");
    app.finish().await;
}

#[tokio::test]
async fn a_declined_card_leaves_the_checkout_open_for_another() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Declined).unwrap();
    app.settle().await;
    assert_eq!(look(&learner, &checkout).await, checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    app.settle().await;
    assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
    app.finish().await;
}

/// H: A8
#[tokio::test]
async fn two_products_around_one_course_can_be_paid_at_the_same_moment() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let other = course(&admin, "Another course").await;
    let bundle = product(&admin, "Bundle", 7900, &[&other, &shop.course]).await;
    for product in [&shop.product, &bundle] {
        let checkout = open(&learner, crate::support::shop::order(product)).await;
        let session = session_of(&app, &checkout);
        app.stripe.pay(&session, Outcome::Paid).unwrap();
    }
    app.settle().await;
    assert_eq!(app.count("purchases"), 2);
    assert_eq!(app.count("access_grants"), 3);
    assert_eq!(app.count("user_course_access"), 2);
    app.finish().await;
}
