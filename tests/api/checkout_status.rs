//! Watching a checkout until it is settled, and calling it off.

use std::time::{Duration, Instant};

use futures_util::future::join;
use lectern::dev::stripe::{Fault, Outcome, Trouble};
use serde_json::json;

use crate::support::buying::{has_access, look, open, path, sessions_at_stripe};
use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

const RETRIEVE: &str = "GET /v1/checkout/sessions/*";
const EXPIRE: &str = "POST /v1/checkout/sessions/*/expire";

/// H: C3
#[tokio::test]
async fn only_the_buyer_sees_and_moves_a_checkout() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let buyer = app.learner("one");
    let checkout = open(&buyer, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let (show, cancel) = (path(&checkout), format!("{}/cancel", path(&checkout)));
    for other in [app.learner("two"), app.admin()] {
        let shown = other.get(&show).await;
        shown.expect_problem(404, "not-found");
        let canceled = other.call(&cancel).await;
        canceled.expect_problem(404, "not-found");
    }
    let shown = app.anon().get(&show).await;
    shown.expect_problem(401, "unauthenticated");
    let canceled = app.anon().call(&cancel).await;
    canceled.expect_problem(401, "unauthenticated");
    assert_eq!(app.stripe.count(RETRIEVE) + app.stripe.count(EXPIRE), 0);
    assert_eq!(app.count("checkouts WHERE status = 'open'"), 1);
    assert_eq!(app.count("purchases"), 0);

    assert_eq!(look(&buyer, &checkout).await["status"], "fulfilled");
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn the_status_is_right_although_no_webhook_ever_came() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    for event in app.stripe.pending_events() {
        app.stripe.drop_pending(event["id"].as_str().unwrap());
    }
    let done = look(&learner, &checkout).await;
    assert_eq!(done["status"], "fulfilled");
    assert!(done["purchaseId"].is_string());
    assert!(has_access(&learner, &shop.course).await);
    app.finish().await;
}

#[tokio::test]
async fn a_request_that_waits_is_answered_as_soon_as_the_webhook_was_worked_on() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    // Stripe tells nothing when it is asked, so that the webhook alone can end the wait.
    let silence = Fault::before_effect(RETRIEVE, Trouble::Status(404));
    app.stripe.inject(silence.times(100));
    let path = path(&checkout);
    let waiting = async {
        let reply = learner.get_with(&path, "prefer", "wait=30").await;
        (reply, Instant::now())
    };
    let paying = async {
        let deadline = Instant::now() + Duration::from_secs(10);
        while app.stripe.count(RETRIEVE) == 0 {
            assert!(Instant::now() < deadline, "the request does not wait");
            tokio::task::yield_now().await;
        }
        let session = session_of(&app, &checkout);
        app.stripe.pay(&session, Outcome::Paid).unwrap();
        app.settle().await;
        Instant::now()
    };
    let ((reply, answered), worked) = join(waiting, paying).await;
    assert_eq!(reply.header("preference-applied"), "wait=30");
    assert_eq!(reply.expect(200)["status"], "fulfilled");
    assert!(answered.saturating_duration_since(worked) < Duration::from_secs(1));
    app.finish().await;
}

#[tokio::test]
async fn nobody_waits_for_longer_than_they_asked_or_for_what_is_settled() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let path = path(&checkout);
    let begun = Instant::now();
    let reply = learner.get_with(&path, "prefer", "wait=1").await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(reply.header("preference-applied"), "wait=1");
    assert_eq!(reply.expect(200)["status"], "open");

    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    app.settle().await;
    for (preference, applied) in [
        ("wait=20", Some("wait=20")),
        ("respond-async, Wait=\"20\"", Some("wait=20")),
        ("wait=86400", Some("wait=30")),
        ("wait=soon", None),
        ("return=minimal", None),
    ] {
        let reply = learner.get_with(&path, "prefer", preference).await;
        let header = reply.headers.get("preference-applied");
        let header = header.map(|value| value.to_str().unwrap());
        assert_eq!(header, applied, "{preference}");
        assert_eq!(reply.expect(200)["status"], "fulfilled");
    }
    assert!(begun.elapsed() < Duration::from_secs(15));
    app.finish().await;
}

#[tokio::test]
async fn a_canceled_checkout_cannot_be_paid_and_a_new_one_can() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let cancel = format!("{}/cancel", path(&checkout));
    let canceled = learner.call(&cancel).await.expect(200);
    assert_eq!(canceled["status"], "canceled");
    assert_eq!(canceled["url"], json!(null));
    assert_eq!(learner.call(&cancel).await.expect(200), canceled);
    let session = session_of(&app, &checkout);
    assert!(app.stripe.pay(&session, Outcome::Paid).is_err());
    app.settle().await;
    assert_eq!(look(&learner, &checkout).await, canceled);

    let next = shop.buy(&app, &learner).await;
    assert_ne!(next["id"], checkout["id"]);
    assert_eq!(sessions_at_stripe(&app).await.len(), 2);
    app.finish().await;
}

#[tokio::test]
async fn a_paid_checkout_cannot_be_canceled_even_before_its_webhook_came() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let cancel = format!("{}/cancel", path(&checkout));
    for _ in 0..2 {
        let reply = learner.call(&cancel).await;
        reply.expect_problem(409, "checkout-not-open");
    }
    assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
    app.settle().await;
    app.finish().await;
}

#[tokio::test]
async fn a_session_that_ran_out_makes_room_for_a_new_one() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    app.stripe.expire(&session_of(&app, &checkout)).unwrap();
    app.settle().await;
    assert_eq!(look(&learner, &checkout).await["status"], "expired");
    let cancel = format!("{}/cancel", path(&checkout));
    let reply = learner.call(&cancel).await;
    reply.expect_problem(409, "checkout-not-open");
    shop.buy(&app, &learner).await;
    app.finish().await;
}

#[tokio::test]
async fn a_request_that_waits_does_not_ask_stripe_in_a_loop() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let asked = || app.stripe.count("GET /v1/checkout/sessions/");
    let before = asked();
    let path = path(&checkout);
    let waiting = learner.get_with(&path, "prefer", "wait=1");
    // Other buyers' events ring the same bell meanwhile.
    let ringing = async {
        for name in ["two", "three", "four"] {
            open(&app.learner(name), shop.order()).await;
            app.state.checkout_changed.notify_waiters();
        }
    };
    let (reply, ()) = futures_util::future::join(waiting, ringing).await;
    assert_eq!(reply.expect(200)["status"], "open");
    assert!(asked() - before <= 2, "{} questions", asked() - before);
    app.finish().await;
}
