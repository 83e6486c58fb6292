//! Events on their way: held until told, or automatic with retries and bad weather.

use lectern::dev::stripe::{Delivery, Weather};
use stripe_shared::event::EventType;

use crate::support::{Receiver, Stand, comes_true, id};

const PAID: [EventType; 3] = [
    EventType::ChargeSucceeded,
    EventType::PaymentIntentSucceeded,
    EventType::CheckoutSessionCompleted,
];

fn start(delivery: Delivery) -> (Stand, Receiver) {
    let receiver = Receiver::start();
    let stand = Stand::start_with(|options| {
        options.delivery = delivery;
        options.webhook_url = Some(receiver.url.clone());
    });
    (stand, receiver)
}

#[actix_web::test]
async fn held_events_go_out_when_told_oldest_first_and_properly_signed() {
    let (stand, mut receiver) = start(Delivery::Held);
    stand.paid().await;
    assert!(!receiver.has_more());
    assert_eq!(stand.stripe.pending_events(), stand.stripe.events());
    let attempts = stand.stripe.deliver_all().await;
    assert!(attempts.len() == 3 && attempts.iter().all(|attempt| attempt.is_success()));
    for (expected, sent) in PAID.into_iter().zip(stand.stripe.events()) {
        let event = receiver.next().await;
        assert_eq!(event.type_, expected);
        assert_eq!(event.id.as_str(), id(&sent));
        assert_eq!(sent["pending_webhooks"], 0);
    }
    assert!(!receiver.has_more());
    assert_eq!(
        stand
            .stripe
            .deliver_next()
            .await
            .map(|attempt| attempt.event),
        None
    );
}

#[actix_web::test]
async fn held_events_can_come_out_of_order_twice_or_never() {
    let (stand, mut receiver) = start(Delivery::Held);
    stand.paid().await;
    let ids: Vec<_> = stand.stripe.events().iter().map(id).collect();
    stand.stripe.deliver(&ids[2]).await.unwrap();
    stand.stripe.drop_pending(&ids[0]);
    stand.stripe.deliver(&ids[2]).await.unwrap();
    stand.stripe.deliver_all().await;
    for expected in [&ids[2], &ids[2], &ids[1]] {
        assert_eq!(receiver.next().await.id.as_str(), expected);
    }
    assert!(!receiver.has_more());
    let lost = stand.object(&format!("/v1/events/{}", ids[0])).await;
    assert_eq!(lost["pending_webhooks"], 1);
    stand.stripe.resend(&ids[0]).unwrap();
    stand.stripe.deliver_next().await.unwrap();
    assert_eq!(receiver.next().await.id.as_str(), ids[0]);
}

#[actix_web::test]
async fn a_held_delivery_that_fails_says_so_and_is_not_tried_again_by_itself() {
    let (stand, receiver) = start(Delivery::Held);
    let session = stand.open().await;
    stand.stripe.expire(&session).unwrap();
    receiver.answer(&[302]);
    let attempt = stand.stripe.deliver_next().await.unwrap();
    assert_eq!((attempt.status, attempt.is_success()), (Some(302), false));
    assert!(stand.stripe.pending_events().is_empty());
    drop(receiver);
    stand.stripe.set_webhook_url("http://127.0.0.1:1/webhook");
    let attempt = stand.stripe.deliver(&attempt.event).await.unwrap();
    assert_eq!((attempt.status, attempt.is_success()), (None, false));
    assert!(stand.stripe.deliver("evt_none").await.is_none());
}

#[actix_web::test]
async fn automatic_delivery_tries_again_until_the_webhook_takes_the_event() {
    let (stand, mut receiver) = start(Delivery::Automatic);
    receiver.answer(&[500]);
    let session = stand.open().await;
    stand.stripe.expire(&session).unwrap();
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.type_, EventType::CheckoutSessionExpired);
    assert_eq!(first.id, second.id);
    let taken = || stand.stripe.events()[0]["pending_webhooks"] == 0;
    assert!(comes_true(|| taken() && stand.stripe.pending_events().is_empty()).await);
    assert!(!receiver.has_more());
}

#[actix_web::test]
async fn automatic_events_arrive_by_themselves_in_order_or_as_the_weather_has_it() {
    let (stand, mut receiver) = start(Delivery::Automatic);
    stand.paid().await;
    for expected in PAID {
        assert_eq!(receiver.next().await.type_, expected);
    }

    assert!(comes_true(|| stand.stripe.pending_events().is_empty()).await);
    let reorder = Weather {
        reorder: true,
        ..Weather::default()
    };
    stand.stripe.set_weather(reorder);
    stand.paid().await;
    for expected in PAID.into_iter().rev() {
        assert_eq!(receiver.next().await.type_, expected);
    }

    assert!(comes_true(|| stand.stripe.pending_events().is_empty()).await);
    let lose = Weather {
        lose: true,
        ..Weather::default()
    };
    stand.stripe.set_weather(lose);
    stand.paid().await;
    assert!(comes_true(|| stand.stripe.pending_events().is_empty()).await);
    assert_eq!(stand.stripe.events().len(), 9);

    let duplicate = Weather {
        duplicate: true,
        ..Weather::default()
    };
    stand.stripe.set_weather(duplicate);
    let session = stand.open().await;
    stand.stripe.expire(&session).unwrap();
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.type_, EventType::CheckoutSessionExpired);
    assert_eq!(first.id, second.id);
}
