//! Payments that were given back, or disputed, before they were booked.

use diesel::connection::SimpleConnection;
use futures_util::future::join;
use lectern::dev::stripe::Outcome;
use lectern::jobs::worker;

use crate::support::buying::open;
use crate::support::refunding::{Sale, of_types, paid_with};
use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

/// H: C6, A9
#[tokio::test]
async fn what_was_refunded_before_it_was_booked_is_born_refunded() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, amount, status, opens) in [
        ("whole", None, "refunded", false),
        ("part", Some(900), "partially_refunded", true),
    ] {
        for (index, kinds) in [
            &["refund.created"][..],
            &["charge.refunded"],
            &["charge.refunded", "refund.created"],
        ]
        .into_iter()
        .enumerate()
        {
            let learner = app.learner(&format!("{name}-{index}"));
            let checkout = open(&learner, shop.order()).await;
            app.stripe
                .pay(&session_of(&app, &checkout), Outcome::Paid)
                .unwrap();
            let (charge, _) = paid_with(&app, &checkout);
            let completed = app.hold_events();
            app.stripe.refund_from_dashboard(&charge, amount).unwrap();
            let told = app.hold_events();
            app.hear(of_types(&told, kinds)).await;
            let ignored = "webhook_events WHERE status = 'ignored' AND type LIKE '%refund%'";
            assert_eq!(app.count(ignored), i64::try_from(kinds.len()).unwrap());
            app.hear(&completed).await;
            let sale = Sale::behind(&app, &shop, learner, &checkout);
            sale.holds(amount.unwrap_or(4900), status, opens).await;
            assert_eq!(app.count(ignored), 0, "they had their effect");
            assert_eq!(
                app.count(&format!("refunds WHERE purchase_id = '{}'", sale.id)),
                1
            );
        }
    }
    app.finish().await;
}

/// H: C6, D6
#[tokio::test]
async fn what_was_born_refunded_comes_to_life_when_that_refund_fails() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    app.stripe
        .pay(&session_of(&app, &checkout), Outcome::Paid)
        .unwrap();
    let (charge, _) = paid_with(&app, &checkout);
    let completed = app.hold_events();
    // Three times the money went out and came back, and the first news of it is out of order.
    let mut told = Vec::new();
    for _ in 0..3 {
        let refund = app.stripe.refund_from_dashboard(&charge, None).unwrap();
        app.stripe
            .fail_refund(refund["id"].as_str().unwrap())
            .unwrap();
        let events = app.hold_events();
        told.push(of_types(&events, &["refund.created"])[0].clone());
    }
    app.hear(&told).await;
    app.hear(&completed).await;
    let sale = Sale::behind(&app, &shop, learner, &checkout);
    sale.holds(0, "paid", true).await;
    app.finish().await;
}

/// H: C6
#[tokio::test]
async fn a_refund_and_the_payment_that_are_told_at_once_miss_each_other_in_no_order() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for round in 0..20 {
        let learner = app.learner(&format!("buyer-{round}"));
        let checkout = open(&learner, shop.order()).await;
        app.stripe
            .pay(&session_of(&app, &checkout), Outcome::Paid)
            .unwrap();
        let (charge, _) = paid_with(&app, &checkout);
        app.stripe.refund_from_dashboard(&charge, None).unwrap();
        let told = app.hold_events();
        let told = of_types(&told, &["refund.created", "checkout.session.completed"]);
        // Both are in the inbox, and taken up by one batch. Nobody asks Stripe.
        for event in told {
            app.stripe_event(event).await.expect(200);
        }
        worker::handle_due_events(&app.state).await.unwrap();
        let sale = Sale::behind(&app, &shop, learner, &checkout);
        sale.holds(4900, "refunded", false).await;
    }
    app.finish().await;
}

/// H: C6
#[tokio::test]
async fn a_refund_that_is_told_while_its_payment_is_being_booked_waits_for_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();
    let (charge, _) = paid_with(&app, &checkout);
    app.stripe.refund_from_dashboard(&charge, None).unwrap();
    let told = app.hold_events();
    let told = of_types(&told, &["checkout.session.completed", "refund.created"]);

    // The fulfilment has looked into the inbox already, and stops short of its end.
    let mut holder = app.db();
    holder
        .batch_execute("BEGIN; LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
        .unwrap();
    app.stripe_event(told[0]).await.expect(200);
    let booking = worker::handle_due_events(&app.state);
    let refunding = async {
        app.waits_for_locks(1).await;
        app.stripe_event(told[1]).await.expect(200);
        let release = async {
            app.waits_for_locks(2).await;
            holder.batch_execute("COMMIT").unwrap();
        };
        join(worker::handle_due_events(&app.state), release).await
    };
    let (booked, (refunded, ())) = join(booking, refunding).await;
    assert_eq!((booked.unwrap(), refunded.unwrap()), (1, 1));
    let sale = Sale::behind(&app, &shop, learner, &checkout);
    sale.holds(4900, "refunded", false).await;
    app.finish().await;
}

/// H: C6, A22
#[tokio::test]
async fn what_happened_to_a_payment_shows_when_it_is_booked_although_no_event_came() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    for (name, disputed) in [("refunded", false), ("disputed", true)] {
        let learner = app.learner(name);
        let checkout = open(&learner, shop.order()).await;
        let session = session_of(&app, &checkout);
        app.stripe.pay(&session, Outcome::Paid).unwrap();
        let (charge, _) = paid_with(&app, &checkout);
        let completed = app.hold_events();
        if disputed {
            app.stripe.open_dispute(&charge).unwrap();
        } else {
            app.stripe.refund_from_dashboard(&charge, None).unwrap();
        }
        app.hold_events();
        app.hear(&completed).await;
        let sale = Sale::behind(&app, &shop, learner, &checkout);
        let refunded = if disputed { 0 } else { 4900 };
        sale.holds(refunded, name, false).await;
    }
    app.finish().await;
}
