//! Payments at Stripe: what is worth keeping of them, and where their money is.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use diesel::PgConnection;
use diesel::sql_types::Text;
use tokio::time::timeout;
use uuid::Uuid;

use super::dispute::Source;
use super::{dispute, fulfil, refund};
use crate::app::AppState;
use crate::domain::enums::RefundStatus;
use crate::problem::Problem;
use crate::providers::stripe::{PaymentObject, PaymentState, StripeError};
use crate::repositories::checkout;
use crate::repositories::purchase::{self, PaymentFacts, PurchaseRow};

/// The bank of the card's owner takes the payment for a fraud.
const EARLY_FRAUD_WARNING: &str = "early-fraud-warning";

/// Lets one transaction at a time book a payment or take over what happened to it, until it ends: a refund or dispute
/// either finds the purchase, or is found by the fulfilment. Taken before any row is locked.
///
/// # Errors
/// When the statement fails.
pub fn lock(conn: &mut PgConnection, payment_intent_id: &str) -> Result<(), Problem> {
    use diesel::RunQueryDsl;
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind::<Text, _>(payment_intent_id)
        .execute(conn)?;
    Ok(())
}

/// [`lock`], and the purchase that the payment was booked as, if it was.
///
/// # Errors
/// When a statement fails.
pub fn lock_booked(
    conn: &mut PgConnection,
    payment_intent_id: Option<&str>,
) -> Result<Option<Uuid>, Problem> {
    let Some(id) = payment_intent_id else {
        return Ok(None);
    };
    lock(conn, id)?;
    Ok(purchase::find_of_payment(conn, id)?)
}

/// Takes over all that Stripe says of a payment's refunds and disputes. What failed or ended is first: it makes room.
///
/// # Errors
/// As [`refund::converge`].
pub fn take_over(conn: &mut PgConnection, state: &PaymentState) -> Result<(), Problem> {
    let (ended, others): (Vec<_>, Vec<_>) = state
        .refunds
        .iter()
        .partition(|told| told.status.is_some_and(RefundStatus::has_ended));
    for told in ended.into_iter().chain(others.into_iter().rev()) {
        refund::converge(conn, told)?;
    }
    for told in &state.disputes {
        dispute::converge(conn, told, Source::Read)?;
    }
    Ok(())
}

/// Marks the purchase of a payment that is taken for a fraud. `false` when the payment is not booked here.
///
/// # Errors
/// When a statement fails.
pub fn warn_of_fraud(
    conn: &mut PgConnection,
    payment_intent_id: Option<&str>,
) -> Result<bool, Problem> {
    let booked = lock_booked(conn, payment_intent_id)?;
    if let Some(purchase_id) = booked {
        purchase::flag(conn, purchase_id, EARLY_FRAUD_WARNING)?;
    }
    Ok(booked.is_some())
}

/// Asks Stripe where the money of a payment is, and takes the answer over (a job). A payment that should have been
/// booked is booked first; one that is not of this store is left alone.
///
/// # Errors
/// When Stripe or the database does not answer.
pub async fn converge(state: &AppState, payment_intent_id: &str) -> Result<(), Problem> {
    if !book(state, payment_intent_id).await? {
        return Ok(());
    }
    let told = state.stripe.payment_state(payment_intent_id).await?;
    state
        .db
        .transaction(move |conn| take_over(conn, &told))
        .await
}

/// Follows an event that named an object and said too little of it (a job).
///
/// # Errors
/// When Stripe or the database does not answer.
pub async fn follow(state: &AppState, object: PaymentObject, id: &str) -> Result<(), Problem> {
    let payment_intent_id = match state.stripe.payment_of(object, id).await {
        Ok(payment_intent_id) => payment_intent_id,
        Err(error @ StripeError::Refused { status: 404, .. }) => {
            tracing::warn!(%error, id, "an event names an object that Stripe does not have");
            None
        }
        Err(error) => return Err(error.into()),
    };
    let Some(payment_intent_id) = payment_intent_id else {
        return Ok(());
    };
    converge(state, &payment_intent_id).await?;
    if object == PaymentObject::FraudWarning {
        state
            .db
            .transaction(move |conn| warn_of_fraud(conn, Some(&payment_intent_id)))
            .await?;
    }
    Ok(())
}

/// Makes sure that a payment of this store is booked; `false` when it is not of this store.
async fn book(state: &AppState, payment_intent_id: &str) -> Result<bool, Problem> {
    let id = payment_intent_id.to_owned();
    let is_booked =
        move |conn: &mut PgConnection| Ok(purchase::find_of_payment(conn, &id)?.is_some());
    if state.db.read(is_booked.clone()).await? {
        return Ok(true);
    }
    let Some((session, named)) = state.stripe.session_of_payment(payment_intent_id).await? else {
        return Ok(false);
    };
    let session_id = session.id.clone();
    let checkout_id = state
        .db
        .read(move |conn| Ok(checkout::find_id_of_session(conn, &session_id, named)?))
        .await?;
    let Some(checkout_id) = checkout_id else {
        return Ok(false);
    };
    fulfil::settle(state, checkout_id, session).await?;
    state.db.read(is_booked).await
}

/// Reads the payment of a purchase at Stripe and keeps what the store shows (a job). What happened to the payment before
/// it was booked shows here, too, should no event have told of it.
///
/// # Errors
/// When Stripe or the database does not answer.
pub async fn refresh(state: &AppState, purchase_id: Uuid) -> Result<(), Problem> {
    let row = state
        .db
        .read(move |conn| Ok(purchase::find(conn, purchase_id)?))
        .await?;
    let Some(payment_intent_id) = &row.stripe_payment_intent_id else {
        return Ok(());
    };
    let payment = state.stripe.retrieve_payment(payment_intent_id).await?;
    if payment.is_touched {
        converge(state, payment_intent_id).await?;
    }
    let facts = PaymentFacts {
        receipt_url: payment.receipt_url,
        receipt_checked_at: Some(Utc::now()),
        card_country: payment.card_country,
    };
    state
        .db
        .read(move |conn| Ok(purchase::record_payment(conn, purchase_id, &facts)?))
        .await
}

/// The address of a receipt is good for thirty days. <https://docs.stripe.com/receipts>
const RECEIPT_KEPT: TimeDelta = TimeDelta::days(25);
/// How long a page waits for a fresh one.
const RECEIPT_WAIT: Duration = Duration::from_secs(2);

/// Fetches the receipt of a purchase again when its address is about to end. A page never fails for it: what Stripe
/// does not say now stays as it is. Returns whether the row has changed.
pub async fn freshen_receipt(state: &AppState, row: &PurchaseRow) -> bool {
    let is_fresh = row
        .receipt_checked_at
        .is_some_and(|checked_at| checked_at > Utc::now() - RECEIPT_KEPT);
    if is_fresh || row.stripe_payment_intent_id.is_none() {
        return false;
    }
    match timeout(RECEIPT_WAIT, refresh(state, row.id)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::warn!(%error, purchase_id = %row.id, "no fresh receipt"),
        Err(_) => tracing::warn!(purchase_id = %row.id, "no fresh receipt in time"),
    }
    false
}
