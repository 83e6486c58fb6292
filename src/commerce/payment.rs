//! What is worth keeping of a payment at Stripe: the receipt, and the country of the card.

use uuid::Uuid;

use crate::app::AppState;
use crate::problem::Problem;
use crate::repositories::purchase::{self, PaymentFacts};

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
    if payment.receipt_url.is_none() && payment.card_country.is_none() {
        return Ok(());
    }
    let facts = PaymentFacts {
        receipt_url: payment.receipt_url,
        card_country: payment.card_country,
    };
    state
        .db
        .read(move |conn| Ok(purchase::record_payment(conn, purchase_id, &facts)?))
        .await
}
