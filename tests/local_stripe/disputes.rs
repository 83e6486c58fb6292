//! Disputes and inquiries, from the bank's first word to its last.

use lectern::dev::stripe::Verdict;
use serde_json::json;

use crate::support::{Stand, id};

#[actix_web::test]
async fn a_dispute_takes_the_money_and_keeps_the_charge_from_being_refunded() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let dispute = stand.stripe.open_dispute(&charge).unwrap();
    assert_eq!(dispute["status"], "needs_response");
    assert_eq!(dispute["amount"], 2000);
    assert_eq!(dispute["charge"], charge);
    assert_eq!(dispute["is_charge_refundable"], false);
    let types = ["charge.dispute.created", "charge.dispute.funds_withdrawn"];
    assert_eq!(stand.event_types(3), types);
    assert_eq!(stand.snapshot(types[0]), dispute);
    assert_eq!(
        stand.object(&format!("/v1/charges/{charge}")).await["disputed"],
        true
    );
    let error = stand
        .post("/v1/refunds", &[("charge", &charge)])
        .await
        .refused(400);
    assert_eq!(error["code"], "charge_disputed");
}

#[actix_web::test]
async fn a_dispute_that_is_won_brings_the_money_back() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let dispute = id(&stand.stripe.open_dispute(&charge).unwrap());
    let reviewed = stand.stripe.submit_evidence(&dispute).unwrap();
    assert_eq!(reviewed["status"], "under_review");
    assert_eq!(reviewed["evidence_details"]["has_evidence"], true);
    let won = stand.stripe.close_dispute(&dispute, Verdict::Won).unwrap();
    assert_eq!(won["status"], "won");
    assert_eq!(stand.object(&format!("/v1/disputes/{dispute}")).await, won);
    let types = [
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ];
    assert_eq!(stand.event_types(5), types);
    assert_eq!(stand.snapshot(types[1]), won);
    stand.post("/v1/refunds", &[("charge", &charge)]).await.ok();
}

#[actix_web::test]
async fn a_dispute_that_is_lost_is_over_and_its_charge_stays_blocked() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let dispute = id(&stand.stripe.open_dispute(&charge).unwrap());
    assert!(
        stand
            .stripe
            .close_dispute(&dispute, Verdict::InquiryClosed)
            .is_err()
    );
    let lost = stand.stripe.close_dispute(&dispute, Verdict::Lost).unwrap();
    assert_eq!(lost["status"], "lost");
    assert_eq!(stand.event_types(5), ["charge.dispute.closed"]);
    assert!(stand.stripe.close_dispute(&dispute, Verdict::Won).is_err());
    assert!(stand.stripe.submit_evidence(&dispute).is_err());
    stand
        .post("/v1/refunds", &[("charge", &charge)])
        .await
        .refused(400);
}

#[actix_web::test]
async fn an_inquiry_moves_no_money_and_ends_as_a_closed_warning() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let inquiry = stand.stripe.open_inquiry(&charge).unwrap();
    assert_eq!(inquiry["status"], "warning_needs_response");
    assert_eq!(
        inquiry["payment_method_details"]["card"]["case_type"],
        "inquiry"
    );
    assert!(
        stand
            .stripe
            .close_dispute(&id(&inquiry), Verdict::Lost)
            .is_err()
    );
    let reviewed = stand.stripe.submit_evidence(&id(&inquiry)).unwrap();
    assert_eq!(reviewed["status"], "warning_under_review");
    let closed = stand
        .stripe
        .close_dispute(&id(&inquiry), Verdict::InquiryClosed);
    assert_eq!(closed.unwrap()["status"], "warning_closed");
    let types = [
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
    ];
    assert_eq!(stand.event_types(3), types);
    stand.post("/v1/refunds", &[("charge", &charge)]).await.ok();
}

#[actix_web::test]
async fn only_a_paid_charge_can_be_disputed_and_disputes_are_listed_by_charge() {
    let stand = Stand::start();
    let declined = stand.open().await;
    stand
        .stripe
        .pay(&declined, lectern::dev::stripe::Outcome::Declined)
        .unwrap();
    let failed = stand.stripe.charge_of(&declined).unwrap();
    assert!(stand.stripe.open_dispute(&failed).is_err());
    let (_, charge) = stand.paid().await;
    let dispute = stand.stripe.open_dispute(&charge).unwrap();
    let of = |charge: &str| format!("/v1/disputes?charge={charge}");
    assert_eq!(stand.object(&of(&charge)).await["data"], json!([dispute]));
    assert_eq!(stand.object(&of(&failed)).await["data"], json!([]));
}

#[actix_web::test]
async fn a_fraud_warning_is_an_event_about_its_charge() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    let warning = stand.stripe.warn_of_fraud(&charge).unwrap();
    assert_eq!(warning["charge"], charge);
    assert_eq!(stand.snapshot("radar.early_fraud_warning.created"), warning);
    let path = format!(
        "/v1/radar/early_fraud_warnings/{}",
        warning["id"].as_str().unwrap()
    );
    assert_eq!(stand.object(&path).await, warning);
}
