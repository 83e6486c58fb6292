//! Stripe's events about payments that were booked, or will be: refunds, disputes, warnings of fraud.

use diesel::{Connection, PgConnection};
use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use super::stripe::id_of;
use crate::commerce::dispute::{self, Source};
use crate::commerce::{payment, refund};
use crate::domain::enums::WebhookEventStatus;
use crate::jobs::{self, Job};
use crate::problem::{Code, Problem};
use crate::providers::stripe::{self, PaymentObject, REFUND_ID, bounded, due_at, refund_status};
use crate::repositories::webhook_event;

/// The fields of a refund that matter.
#[derive(Deserialize)]
struct Refund {
    id: String,
    amount: i64,
    status: String,
    reason: Option<String>,
    failure_reason: Option<String>,
}

/// The fields of a dispute that matter.
#[derive(Deserialize)]
struct Dispute {
    id: String,
    amount: i64,
    currency: Option<String>,
    status: String,
    #[serde(default)]
    reason: String,
    evidence_details: Option<EvidenceDetails>,
}

#[derive(Deserialize)]
struct EvidenceDetails {
    due_by: Option<i64>,
}

/// What an event of this type is about, when it is about a payment.
pub fn subject(kind: &str) -> Option<PaymentObject> {
    match kind {
        "charge.refunded" => Some(PaymentObject::Charge),
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            Some(PaymentObject::Refund)
        }
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.closed"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => Some(PaymentObject::Dispute),
        "radar.early_fraud_warning.created" | "radar.early_fraud_warning.updated" => {
            Some(PaymentObject::FraudWarning)
        }
        _ => None,
    }
}

/// Takes over what an event says of an object; what it does not say, Stripe is asked for. An event about a payment
/// that is not booked stays in the inbox, where the fulfilment finds it.
///
/// # Errors
/// When a statement fails, or a refund does not fit yet; the event is tried again then.
pub fn apply(
    conn: &mut PgConnection,
    subject: PaymentObject,
    object: &Value,
) -> Result<Outcome, Problem> {
    let Some(id) = object.get("id").and_then(Value::as_str) else {
        return Ok(Outcome::Ignored("the event names no object"));
    };
    let booked = match (subject, object.get("payment_intent")) {
        (_, Some(Value::Null)) => false,
        (PaymentObject::Charge, Some(intent)) => charge(conn, object, intent)?,
        (PaymentObject::FraudWarning, Some(intent)) => {
            payment::warn_of_fraud(conn, id_of(intent).as_deref())?
        }
        (PaymentObject::Refund, Some(intent)) => match refund_told(object, intent) {
            Some(told) => refund::converge(conn, &told)?,
            None => ask(conn, subject, id)?,
        },
        (PaymentObject::Dispute, Some(intent)) => match dispute_told(object, intent) {
            Some(told) => dispute::converge(conn, &told, Source::Told)?,
            None => ask(conn, subject, id)?,
        },
        (_, None) => ask(conn, subject, id)?,
    };
    Ok(if booked {
        Outcome::Processed
    } else {
        Outcome::Ignored("the payment is not booked in this store")
    })
}

/// Applies what the inbox heard of a payment before it was booked, in the fulfilment's transaction. What does not fit
/// together does not keep the payment from being booked: Stripe is asked how it is.
///
/// # Errors
/// When a statement fails.
pub fn catch_up(conn: &mut PgConnection, payment_intent_id: &str) -> Result<(), Problem> {
    for event in webhook_event::lock_ignored_of_payment(conn, payment_intent_id)? {
        let payload = event.payload.unwrap_or_default();
        let (Some(subject), Some(object)) = (subject(&event.kind), payload.pointer("/data/object"))
        else {
            continue;
        };
        match conn.transaction(|conn| apply(conn, subject, object)) {
            Ok(Outcome::Ignored(_)) => continue,
            Ok(Outcome::Processed) => {}
            Err(problem) if problem.code() == Code::Conflict => {
                let payment_intent_id = payment_intent_id.to_owned();
                jobs::enqueue(conn, &Job::ConvergePayment { payment_intent_id })?;
            }
            Err(problem) => return Err(problem),
        }
        webhook_event::finish(conn, event.id, WebhookEventStatus::Processed, None)?;
    }
    Ok(())
}

/// A charge says how much went back, and by which refunds only in older versions of the API: those are taken over at
/// once, and the rest is asked for.
fn charge(conn: &mut PgConnection, object: &Value, intent: &Value) -> Result<bool, Problem> {
    let Some(payment_intent_id) = id_of(intent) else {
        return Ok(false);
    };
    let booked = payment::lock_booked(conn, Some(&payment_intent_id))?;
    if booked.is_some() {
        let listed = object.pointer("/refunds/data").and_then(Value::as_array);
        for refund in listed.into_iter().flatten() {
            if let Some(told) = refund_told(refund, intent) {
                refund::converge(conn, &told)?;
            }
        }
        jobs::enqueue(conn, &Job::ConvergePayment { payment_intent_id })?;
    }
    Ok(booked.is_some())
}

fn ask(conn: &mut PgConnection, object: PaymentObject, id: &str) -> Result<bool, Problem> {
    let id = id.to_owned();
    jobs::enqueue(conn, &Job::FollowEvent { object, id })?;
    Ok(true)
}

fn refund_told(object: &Value, intent: &Value) -> Option<stripe::Refund> {
    let refund = Refund::deserialize(object).ok()?;
    let named = object.pointer(&format!("/metadata/{REFUND_ID}"));
    Some(stripe::Refund {
        id: refund.id,
        refund_id: named.and_then(Value::as_str).and_then(|id| id.parse().ok()),
        payment_intent_id: Some(id_of(intent)?),
        amount_in_cents: bounded(refund.amount),
        status: refund_status(&refund.status),
        reason: refund.reason,
        failure_reason: refund.failure_reason,
    })
}

fn dispute_told(object: &Value, intent: &Value) -> Option<stripe::Dispute> {
    let dispute = Dispute::deserialize(object).ok()?;
    let due_by = dispute.evidence_details.and_then(|details| details.due_by);
    Some(stripe::Dispute {
        id: dispute.id,
        payment_intent_id: Some(id_of(intent)?),
        amount_in_cents: bounded(dispute.amount),
        currency: dispute.currency.and_then(|currency| currency.parse().ok()),
        status: dispute.status,
        reason: dispute.reason,
        evidence_due_at: due_at(due_by),
    })
}
