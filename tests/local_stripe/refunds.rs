//! Refunds: whole and in parts, refused, pending, failed and canceled, and what they do to the charge.

use lectern::dev::stripe::Outcome;
use serde_json::{Value, json};

use crate::support::{Reply, Stand, id};

async fn refund(stand: &Stand, charge: &str, amount: &str) -> Reply {
    stand
        .post("/v1/refunds", &[("charge", charge), ("amount", amount)])
        .await
}

async fn refunded(stand: &Stand, charge: &str) -> (Value, Value) {
    let mut charge = stand.object(&format!("/v1/charges/{charge}")).await;
    (charge["amount_refunded"].take(), charge["refunded"].take())
}

#[actix_web::test]
async fn a_refund_without_an_amount_takes_all_of_the_payment() {
    let stand = Stand::start();
    let (session, charge) = stand.paid().await;
    let session = stand
        .object(&format!("/v1/checkout/sessions/{session}"))
        .await;
    let intent = session["payment_intent"].as_str().unwrap();
    let form = [
        ("payment_intent", intent),
        ("reason", "requested_by_customer"),
        ("metadata[refundId]", "r-1"),
    ];
    let refund = stand.post("/v1/refunds", &form).await.ok();
    assert_eq!(refund["amount"], 2000);
    assert_eq!(refund["status"], "succeeded");
    assert_eq!(refund["charge"], charge);
    assert_eq!(refund["payment_intent"], intent);
    assert_eq!(refund["reason"], "requested_by_customer");
    assert_eq!(refund["metadata"], json!({ "refundId": "r-1" }));
    assert_eq!(refunded(&stand, &charge).await, (json!(2000), json!(true)));
    assert_eq!(stand.event_types(3), ["refund.created", "charge.refunded"]);
    assert_eq!(stand.snapshot("refund.created"), refund);
    assert_eq!(stand.snapshot("charge.refunded")["amount_refunded"], 2000);
}

#[actix_web::test]
async fn several_partial_refunds_add_up_and_never_to_more_than_was_paid() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    refund(&stand, &charge, "500").await.ok();
    assert_eq!(refunded(&stand, &charge).await, (json!(500), json!(false)));
    stand
        .stripe
        .refund_from_dashboard(&charge, Some(700))
        .unwrap();
    assert_eq!(refunded(&stand, &charge).await, (json!(1200), json!(false)));

    let error = refund(&stand, &charge, "801").await.refused(400);
    assert_eq!(error["param"], "amount");
    let message = "Refund amount (801) is greater than unrefunded amount on charge (800).";
    assert_eq!(error["message"], message);
    assert_eq!(
        refund(&stand, &charge, "0").await.refused(400)["param"],
        "amount"
    );

    stand.stripe.refund_from_dashboard(&charge, None).unwrap();
    assert_eq!(refunded(&stand, &charge).await, (json!(2000), json!(true)));
    let error = refund(&stand, &charge, "1").await.refused(400);
    assert_eq!(error["code"], "charge_already_refunded");
    let amounts = |list: Value| {
        let list = list["data"].as_array().unwrap().clone();
        list.iter()
            .map(|refund| refund["amount"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    let list = stand.object(&format!("/v1/refunds?charge={charge}")).await;
    assert_eq!(amounts(list), [800, 700, 500]);
}

#[actix_web::test]
async fn the_refunds_of_a_charge_are_shown_only_when_they_are_asked_for() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let made = refund(&stand, &charge, "500").await.ok();
    let plain = stand.object(&format!("/v1/charges/{charge}")).await;
    assert_eq!(plain.get("refunds"), None);
    assert_eq!(stand.snapshot("charge.refunded").get("refunds"), None);
    let whole = stand
        .object(&format!("/v1/charges/{charge}?expand[]=refunds"))
        .await;
    assert_eq!(whole["refunds"]["data"], json!([made]));
}

#[actix_web::test]
async fn a_pending_refund_counts_until_it_fails_or_is_canceled() {
    let stand = Stand::start();
    stand.stripe.hold_refunds(true);
    let (_, charge) = stand.paid().await;
    let (settled, failed, canceled) = (
        refund(&stand, &charge, "1000").await.ok(),
        refund(&stand, &charge, "600").await.ok(),
        refund(&stand, &charge, "400").await.ok(),
    );
    assert_eq!(settled["status"], "pending");
    assert_eq!(refunded(&stand, &charge).await, (json!(2000), json!(true)));
    let seen = stand.stripe.events().len();

    let settled = stand.stripe.settle_refund(&id(&settled)).unwrap();
    assert_eq!(settled["status"], "succeeded");
    let failed = stand.stripe.fail_refund(&id(&failed)).unwrap();
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["failure_reason"], "lost_or_stolen_card");
    assert_eq!(refunded(&stand, &charge).await, (json!(1400), json!(false)));
    let path = format!("/v1/refunds/{}/cancel", id(&canceled));
    assert_eq!(stand.post(&path, &[]).await.ok()["status"], "canceled");
    stand.post(&path, &[]).await.refused(400);
    assert_eq!(refunded(&stand, &charge).await, (json!(1000), json!(false)));

    let types = [
        "refund.updated",
        "refund.updated",
        "refund.failed",
        "refund.updated",
    ];
    assert_eq!(stand.event_types(seen), types);
    assert_eq!(stand.snapshot("refund.failed"), failed);
}

#[actix_web::test]
async fn a_refund_that_had_succeeded_can_still_fail_but_not_be_canceled() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let made = refund(&stand, &charge, "2000").await.ok();
    assert!(stand.stripe.cancel_refund(&id(&made)).is_err());
    assert!(stand.stripe.settle_refund(&id(&made)).is_err());
    stand.stripe.fail_refund(&id(&made)).unwrap();
    assert_eq!(refunded(&stand, &charge).await, (json!(0), json!(false)));
    assert!(stand.stripe.fail_refund(&id(&made)).is_err());
}

#[actix_web::test]
async fn a_refund_to_a_bank_account_takes_its_time() {
    let stand = Stand::start();
    let session = stand.open().await;
    stand.stripe.pay(&session, Outcome::Delayed).unwrap();
    let charge = stand.stripe.charge_of(&session).unwrap();
    let error = refund(&stand, &charge, "2000").await.refused(400);
    assert_eq!(error["param"], "charge");
    stand.stripe.settle(&session, true).unwrap();
    assert_eq!(
        refund(&stand, &charge, "2000").await.ok()["status"],
        "pending"
    );
}

#[actix_web::test]
async fn a_refund_names_a_payment_that_exists_and_a_reason_that_stripe_knows() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let error = stand.post("/v1/refunds", &[]).await.refused(400);
    assert_eq!(error["code"], "parameter_missing");
    let error = refund(&stand, "ch_none", "1").await.refused(404);
    assert_eq!(error["code"], "resource_missing");
    let form = [("charge", charge.as_str()), ("reason", "regret")];
    assert_eq!(
        stand.post("/v1/refunds", &form).await.refused(400)["param"],
        "reason"
    );
}
