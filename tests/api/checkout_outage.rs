//! Checkouts while Stripe is down, slow of hearing, or refuses.

use lectern::dev::stripe::{Fault, Trouble};

use crate::support::buying::{CHECKOUTS, look, open, path, sessions_at_stripe};
use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

const CREATE: &str = "POST /v1/checkout/sessions";
const RETRIEVE: &str = "GET /v1/checkout/sessions/*";
const EXPIRE: &str = "POST /v1/checkout/sessions/*/expire";

/// H: B9, A10
#[tokio::test]
async fn an_order_that_stripe_did_not_answer_finds_the_same_session_when_it_is_repeated() {
    for fault in [
        Fault::before_effect(CREATE, Trouble::Status(500)),
        Fault::before_effect(CREATE, Trouble::Drop),
        Fault::after_effect(CREATE, Trouble::Status(503)),
        Fault::after_effect(CREATE, Trouble::Drop),
    ] {
        let app = TestApp::start().await;
        let shop = Shop::open(&app).await;
        let learner = app.learner("one");
        app.stripe.inject(fault.clone().times(3));
        let refused = learner.post(CHECKOUTS, shop.order()).await;
        assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
        refused.expect_problem(503, "payment-provider-unavailable");

        let checkout = open(&learner, shop.order()).await;
        let requests = app.stripe.requests();
        let key = format!("checkout-{}", checkout["id"].as_str().unwrap());
        for request in &requests {
            assert_eq!(request.idempotency_key.as_deref(), Some(key.as_str()));
            assert_eq!(request.form, requests[0].form);
        }
        assert_eq!(requests.len(), 4, "{fault:?}");
        let sessions = sessions_at_stripe(&app).await;
        assert_eq!(sessions.len(), 1, "{fault:?}");
        assert_eq!(sessions[0]["id"], session_of(&app, &checkout));
        app.finish().await;
    }
}

/// H: B9
#[tokio::test]
async fn one_bad_moment_of_stripe_is_not_the_buyers_business() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (index, trouble) in [
        Trouble::Status(500),
        Trouble::Status(429),
        Trouble::Status(409),
        Trouble::Drop,
    ]
    .into_iter()
    .enumerate()
    {
        app.stripe.inject(Fault::after_effect(CREATE, trouble));
        open(&app.learner(&format!("buyer-{index}")), shop.order()).await;
    }
    assert_eq!(sessions_at_stripe(&app).await.len(), 4);
    app.finish().await;
}

/// H: B9
#[tokio::test]
async fn what_stripe_refuses_for_good_is_asked_afresh_the_next_time() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let refusal = Fault::before_effect(CREATE, Trouble::Status(400));
    app.stripe.inject(refusal);
    let refused = learner.post(CHECKOUTS, shop.order()).await;
    refused.expect_problem(409, "payment-refused");
    open(&learner, shop.order()).await;
    let requests = app.stripe.requests();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0].idempotency_key, requests[1].idempotency_key);
    app.finish().await;
}

#[tokio::test]
async fn a_stripe_that_is_down_leaves_the_status_as_it_was_last_known() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let outage = Fault::before_effect(RETRIEVE, Trouble::Drop);
    app.stripe.inject(outage.times(3));
    assert_eq!(look(&learner, &checkout).await, checkout);
    app.finish().await;
}

#[tokio::test]
async fn a_checkout_stays_open_when_stripe_did_not_hear_of_its_cancellation() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let outage = Fault::before_effect(EXPIRE, Trouble::Status(500));
    app.stripe.inject(outage.times(3));
    let cancel = format!("{}/cancel", path(&checkout));
    let reply = learner.call(&cancel).await;
    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
    reply.expect_problem(503, "payment-provider-unavailable");
    assert_eq!(look(&learner, &checkout).await, checkout);

    let canceled = learner.call(&cancel).await.expect(200);
    assert_eq!(canceled["status"], "canceled");
    app.settle().await;
    app.finish().await;
}
