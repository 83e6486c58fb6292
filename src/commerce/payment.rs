//! What is worth keeping of a payment at Stripe: the receipt, and the country of the card.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio::time::timeout;
use uuid::Uuid;

use crate::app::AppState;
use crate::problem::Problem;
use crate::repositories::purchase::{self, PaymentFacts, PurchaseRow};

/// Reads the payment of a purchase at Stripe and keeps what the store shows (a job).
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
