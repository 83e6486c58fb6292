//! Disputes at Stripe. <https://docs.stripe.com/api/disputes>

use chrono::{DateTime, Utc};
use stripe_core::dispute::ListDispute;

use super::refunds::bounded;
use super::{Stripe, StripeError};
use crate::domain::money::Currency;

/// A dispute as the store needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    pub id: String,
    pub payment_intent_id: Option<String>,
    pub amount_in_cents: i32,
    /// `None` when it is not told.
    pub currency: Option<Currency>,
    /// In Stripe's words.
    pub status: String,
    pub reason: String,
    pub evidence_due_at: Option<DateTime<Utc>>,
}

/// Reads Stripe's due date, in which 0 says that no evidence is taken.
pub fn due_at(seconds: Option<i64>) -> Option<DateTime<Utc>> {
    seconds
        .filter(|seconds| *seconds > 0)
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

impl Stripe {
    /// Every dispute of a payment, newest first.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn list_disputes(
        &self,
        payment_intent_id: &str,
    ) -> Result<Vec<Dispute>, StripeError> {
        let request = ListDispute::new()
            .payment_intent(payment_intent_id)
            .limit(super::PAGE);
        let page = request.send(self).await?;
        Ok(page.data.into_iter().map(Dispute::from).collect())
    }
}

impl From<stripe_shared::Dispute> for Dispute {
    fn from(dispute: stripe_shared::Dispute) -> Self {
        Self {
            id: dispute.id.to_string(),
            payment_intent_id: dispute
                .payment_intent
                .map(|intent| intent.into_id().to_string()),
            amount_in_cents: bounded(dispute.amount),
            currency: dispute.currency.to_string().parse().ok(),
            status: dispute.status.as_str().to_owned(),
            reason: dispute.reason,
            evidence_due_at: due_at(dispute.evidence_details.due_by),
        }
    }
}
