//! Repair: what no webhook has brought is found at the providers.

use lectern::commerce::reconcile::{self, Occasion};
use lectern::dev::clerk::Person;
use lectern::dev::stripe::{Fault, Outcome, Trouble};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::buying::{CHECKOUTS, has_access, open};
use crate::support::shop::{buy, session_of};
use crate::support::{Shop, TestApp};

const PATH: &str = "/v1/admin/reconcile";
const RETRIEVE: &str = "GET /v1/checkout/sessions/*";
const EVENTS: &str = "GET /v1/events";

/// What was mended, the events that were fetched left aside.
fn mended(report: &Value) -> u64 {
    let counts = report.as_object().unwrap().iter();
    let counts = counts.filter(|(name, _)| *name != "events");
    counts.filter_map(|(_, count)| count.as_u64()).sum()
}

/// H: A22
#[tokio::test]
async fn a_payment_whose_webhook_was_lost_is_fulfilled() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, buyer) = (app.admin(), app.learner("one"));
    let checkout = open(&buyer, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();

    let report = admin.call(PATH).await.expect(200);
    assert_eq!(
        (&report["checkouts"], &report["unreachable"]),
        (&json!(1), &json!([]))
    );
    assert!(report["events"].as_u64() > Some(0));
    assert!(has_access(&buyer, &shop.course).await);
    let again = admin.call(PATH).await.expect(200);
    assert_eq!((mended(&again), &again["events"]), (0, &json!(0)));
    // The webhook comes late after all.
    app.settle().await;
    assert_eq!(app.count("purchases"), 1);
    app.finish().await;
}

/// H: A22
#[tokio::test]
async fn a_session_that_ended_unnoticed_is_closed() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, buyer) = (app.admin(), app.learner("one"));
    let checkout = open(&buyer, shop.order()).await;
    app.stripe.expire(&session_of(&app, &checkout)).unwrap();
    let report = admin.call(PATH).await.expect(200);
    assert_eq!(report["checkouts"], 1);
    assert_eq!(app.count("checkouts WHERE status = 'expired'"), 1);
    app.settle().await;
    app.finish().await;
}

/// H: B9
#[tokio::test]
async fn a_checkout_left_in_the_middle_of_its_creation_is_settled() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, buyer) = (app.admin(), app.learner("one"));
    let lost = Fault::after_effect("POST /v1/checkout/sessions", Trouble::Drop).times(3);
    app.stripe.inject(lost);
    let refused = buyer.post(CHECKOUTS, shop.order()).await;
    refused.expect_problem(503, "payment-provider-unavailable");
    let report = admin.call(PATH).await.expect(200);
    assert_eq!(report["checkouts"], 1);
    assert_eq!(app.count("checkouts WHERE status = 'open'"), 1);
    assert_eq!(mended(&admin.call(PATH).await.expect(200)), 0);
    app.finish().await;
}

/// H: A22
#[tokio::test]
async fn events_that_never_came_are_in_the_inbox_afterwards_and_those_that_came_are_not_twice() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    buy(&app, &app.learner("one"), &shop.product).await;
    let before = app.count("webhook_events WHERE type LIKE 'checkout%'");
    let checkout = open(&app.learner("two"), shop.order()).await;
    app.stripe
        .pay(&session_of(&app, &checkout), Outcome::Paid)
        .unwrap();
    admin.call(PATH).await.expect(200);
    let after = app.count("webhook_events WHERE type LIKE 'checkout%'");
    assert_eq!(after, before + 1);
    app.finish().await;
}

#[tokio::test]
async fn a_pass_says_who_did_not_answer_and_the_next_one_makes_up_for_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, buyer) = (app.admin(), app.learner("one"));
    let checkout = open(&buyer, shop.order()).await;
    app.stripe
        .pay(&session_of(&app, &checkout), Outcome::Paid)
        .unwrap();
    for path in [RETRIEVE, EVENTS] {
        app.stripe
            .inject(Fault::before_effect(path, Trouble::Status(500)).times(3));
    }
    let report = admin.call(PATH).await.expect(200);
    assert_eq!(report["unreachable"], json!(["stripe"]));
    assert_eq!(report["checkouts"], 0);
    // The second pass meets the fault of the events, and keeps what it mended before.
    let report = admin.call(PATH).await.expect(200);
    assert_eq!(report["unreachable"], json!(["stripe"]));
    assert_eq!(report["checkouts"], 1);
    let report = admin.call(PATH).await.expect(200);
    assert_eq!(report["unreachable"], json!([]));
    assert!(report["events"].as_u64() > Some(0));
    app.finish().await;
}

#[tokio::test]
async fn only_one_pass_is_made_at_a_time() {
    let app = TestApp::start().await;
    let admin = app.admin();
    app.sql("UPDATE reconciler SET lease_until = now() + interval '1 minute'");
    let ask = || {
        admin
            .request(Method::POST, PATH)
            .header("idempotency-key", "k")
    };
    let refused = admin.send(ask()).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.expect_problem(409, "reconcile-running");
    // Whoever held it has died. The refusal was no answer to keep.
    app.sql("UPDATE reconciler SET lease_until = now()");
    admin.send(ask()).await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn the_schedule_waits_for_its_time_and_leaves_the_young_to_their_webhooks() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let checkout = open(&app.learner("one"), shop.order()).await;
    app.stripe
        .pay(&session_of(&app, &checkout), Outcome::Paid)
        .unwrap();
    for event in app.stripe.pending_events() {
        app.stripe.drop_pending(event["id"].as_str().unwrap());
    }
    app.stripe
        .inject(Fault::before_effect(EVENTS, Trouble::Status(500)).times(3));
    let pass = || reconcile::run(&app.state, Occasion::Schedule);
    let first = pass().await.unwrap().unwrap();
    assert_eq!(first.checkouts, 0);
    assert_eq!(pass().await.unwrap(), None);
    app.sql(
        "UPDATE reconciler SET due_at = now();
         ALTER TABLE checkouts DISABLE TRIGGER USER;
         UPDATE checkouts SET created_at = now() - interval '1 hour'",
    );
    assert_eq!(pass().await.unwrap().unwrap().checkouts, 1);
    app.finish().await;
}

/// H: A22
#[tokio::test]
async fn people_whose_webhooks_were_lost_appear_change_and_go() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let (ana, ben) = (app.learner("ana"), app.learner("ben"));
    admin.call(PATH).await.expect(200);
    assert_eq!(mended(&admin.call(PATH).await.expect(200)), 0);
    assert_eq!(ana.get("/v1/me").await.expect(200)["name"], "Ana Example");

    let rename = |person: &mut Person| person.last_name = Some("Lovelace".into());
    app.clerk.update_person(&ana.clerk_user_id, rename).unwrap();
    app.clerk.remove_person(&ben.clerk_user_id).unwrap();
    app.learner("cleo");
    assert_eq!(admin.call(PATH).await.expect(200)["users"], 3);
    assert_eq!(ana.get("/v1/me").await.expect(200)["name"], "Ana Lovelace");
    let gone = ben.get("/v1/me").await;
    gone.expect_problem(401, "account-deleted");
    assert_eq!(mended(&admin.call(PATH).await.expect(200)), 0);
    app.finish().await;
}

#[tokio::test]
async fn nobody_of_a_few_is_buried_when_clerk_knows_only_strangers() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO users (clerk_user_id, created_at)
         VALUES ('user_elsewhere', now() - interval '1 day')",
    );
    app.learner("stranger");
    let pass = reconcile::run(&app.state, Occasion::Demand).await;
    assert_eq!(pass.unwrap().unwrap().unreachable, []);
    assert_eq!(app.count("users WHERE deleted_at IS NOT NULL"), 0);
    app.finish().await;
}

#[tokio::test]
async fn nobody_is_buried_because_the_key_is_for_another_instance_of_clerk() {
    let app = TestApp::start().await;
    let admin = app.admin();
    app.sql(
        "INSERT INTO users (clerk_user_id, created_at)
         SELECT 'user_elsewhere' || n, now() - interval '1 day' FROM generate_series(1, 30) n",
    );
    let report = admin.call(PATH).await.expect(200);
    assert_eq!(report["unreachable"], json!([]));
    assert_eq!(app.count("users WHERE deleted_at IS NOT NULL"), 0);
    app.clerk.fail_calls(3);
    let report = admin.call(PATH).await.expect(200);
    assert_eq!(report["unreachable"], json!(["clerk"]));
    app.finish().await;
}
