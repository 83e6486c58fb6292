//! Paying: at once, later, or not at all; what changes, and which events tell of it in which order.

use lectern::dev::stripe::Outcome;
use serde_json::{Value, json};

use crate::support::Stand;

async fn intent_and_charge(stand: &Stand, session: &Value) -> (Value, Value) {
    let intent = session["payment_intent"].as_str().unwrap();
    let path = format!("/v1/payment_intents/{intent}?expand[]=latest_charge");
    let mut intent = stand.object(&path).await;
    let charge = intent["latest_charge"].take();
    (intent, charge)
}

#[actix_web::test]
async fn a_paid_session_has_a_charge_and_three_events_with_their_snapshots() {
    let stand = Stand::start();
    let session = stand.create(&[("payment_intent_data[metadata][checkoutId]", "c-1")]);
    let session = session.await.ok();
    let session = stand
        .stripe
        .pay_from(session["id"].as_str().unwrap(), Outcome::Paid, "DE");
    let session = session.unwrap();
    assert_eq!(session["status"], "complete");
    assert_eq!(session["payment_status"], "paid");
    assert_eq!(session["url"], json!(null));
    assert_eq!(session["customer_details"]["email"], "buyer@example.com");

    let (intent, charge) = intent_and_charge(&stand, &session).await;
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["amount_received"], 2000);
    assert_eq!(intent["metadata"], json!({ "checkoutId": "c-1" }));
    assert_eq!(charge["status"], "succeeded");
    assert_eq!(charge["paid"], true);
    assert_eq!(charge["amount"], 2000);
    assert_eq!(charge["payment_intent"], intent["id"]);
    assert_eq!(charge["payment_method_details"]["card"]["country"], "DE");
    let receipt = charge["receipt_url"].as_str().unwrap();
    assert!(receipt.starts_with(&format!("{}/receipts/ch_", stand.url)));

    let types = [
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ];
    assert_eq!(stand.event_types(0), types);
    assert_eq!(stand.snapshot(types[0]), charge);
    assert_eq!(stand.snapshot(types[1])["id"], intent["id"]);
    assert_eq!(stand.snapshot(types[2]), session);
}

#[actix_web::test]
async fn a_session_is_paid_once() {
    let stand = Stand::start();
    let (session, _) = stand.paid().await;
    for outcome in [Outcome::Paid, Outcome::Delayed, Outcome::Declined] {
        assert!(stand.stripe.pay(&session, outcome).is_err());
    }
    assert!(stand.stripe.settle(&session, true).is_err());
    assert_eq!(stand.event_types(0).len(), 3);
}

#[actix_web::test]
async fn a_delayed_payment_completes_the_session_and_pays_it_when_it_arrives() {
    let stand = Stand::start();
    let id = stand.open().await;
    let waiting = stand.stripe.pay(&id, Outcome::Delayed).unwrap();
    assert_eq!(waiting["status"], "complete");
    assert_eq!(waiting["payment_status"], "unpaid");
    let (intent, charge) = intent_and_charge(&stand, &waiting).await;
    assert_eq!(
        (&intent["status"], &charge["status"]),
        (&json!("processing"), &json!("pending"))
    );
    assert_eq!(charge["payment_method_details"]["type"], "us_bank_account");
    assert_eq!(stand.event_types(0), ["checkout.session.completed"]);

    let paid = stand.stripe.settle(&id, true).unwrap();
    assert_eq!(paid["payment_status"], "paid");
    let (intent, charge) = intent_and_charge(&stand, &paid).await;
    assert_eq!(
        (&intent["status"], &charge["status"]),
        (&json!("succeeded"), &json!("succeeded"))
    );
    let types = [
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.async_payment_succeeded",
    ];
    assert_eq!(stand.event_types(1), types);
    assert_eq!(stand.snapshot("checkout.session.completed"), waiting);
    assert_eq!(stand.snapshot(types[2]), paid);
    assert!(stand.stripe.settle(&id, true).is_err());
}

#[actix_web::test]
async fn a_delayed_payment_that_fails_leaves_the_session_complete_and_unpaid() {
    let stand = Stand::start();
    let id = stand.open().await;
    stand.stripe.pay(&id, Outcome::Delayed).unwrap();
    let session = stand.stripe.settle(&id, false).unwrap();
    assert_eq!(session["status"], "complete");
    assert_eq!(session["payment_status"], "unpaid");
    let (intent, charge) = intent_and_charge(&stand, &session).await;
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"]["type"], "card_error");
    assert_eq!(
        (&charge["status"], &charge["paid"]),
        (&json!("failed"), &json!(false))
    );
    let types = [
        "charge.failed",
        "payment_intent.payment_failed",
        "checkout.session.async_payment_failed",
    ];
    assert_eq!(stand.event_types(1), types);
    assert_eq!(stand.snapshot(types[2]), session);
    assert!(stand.stripe.settle(&id, true).is_err());
}

#[actix_web::test]
async fn a_declined_card_leaves_the_session_open_for_another_try_of_the_same_intent() {
    let stand = Stand::start();
    let id = stand.open().await;
    let declined = stand.stripe.pay(&id, Outcome::Declined).unwrap();
    assert_eq!(declined["status"], "open");
    assert_eq!(declined["payment_status"], "unpaid");
    let (intent, charge) = intent_and_charge(&stand, &declined).await;
    assert_eq!(intent["last_payment_error"]["code"], "card_declined");
    assert_eq!(charge["failure_code"], "card_declined");
    assert_eq!(
        stand.event_types(0),
        ["charge.failed", "payment_intent.payment_failed"]
    );

    let paid = stand.stripe.pay(&id, Outcome::Paid).unwrap();
    assert_eq!(paid["payment_status"], "paid");
    assert_eq!(paid["payment_intent"], declined["payment_intent"]);
    let (intent, second) = intent_and_charge(&stand, &paid).await;
    assert_eq!(intent["last_payment_error"], json!(null));
    assert_ne!(second["id"], charge["id"]);
    assert_eq!(second["status"], "succeeded");
}
