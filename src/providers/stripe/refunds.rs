//! Refunds at Stripe. <https://docs.stripe.com/api/refunds>

use std::collections::HashMap;

use stripe_core::refund::{CreateRefund, CreateRefundReason, ListRefund};
use uuid::Uuid;

use super::{Stripe, StripeError};
use crate::domain::enums::RefundStatus;

/// The key of the metadata under which a refund carries the id of our row.
pub const REFUND_ID: &str = "refundId";

/// A refund to be made, as committed on its row.
#[derive(Debug, Clone)]
pub struct NewRefund {
    pub refund_id: Uuid,
    pub payment_intent_id: String,
    pub amount_in_cents: i32,
    /// Passed on when it is one of Stripe's own words.
    pub reason: Option<String>,
}

/// A refund as the store needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub id: String,
    /// Which row of ours it was made for; `None` for one that was made elsewhere.
    pub refund_id: Option<Uuid>,
    pub payment_intent_id: Option<String>,
    pub amount_in_cents: i32,
    /// `None` for a status that is not known here: it changes nothing.
    pub status: Option<RefundStatus>,
    pub reason: Option<String>,
    pub failure_reason: Option<String>,
}

/// Reads Stripe's status, as it stands in an object or in an event.
pub fn refund_status(text: &str) -> Option<RefundStatus> {
    match text {
        "pending" | "requires_action" => Some(RefundStatus::Pending),
        "succeeded" => Some(RefundStatus::Succeeded),
        "failed" => Some(RefundStatus::Failed),
        "canceled" => Some(RefundStatus::Canceled),
        _ => None,
    }
}

/// An amount as rows hold it. What is out of all bounds fits no payment, and becomes the largest.
pub fn bounded(amount: i64) -> i32 {
    i32::try_from(amount)
        .ok()
        .filter(|amount| *amount >= 0)
        .unwrap_or(i32::MAX)
}

impl Stripe {
    /// Gives money back. Repeating it under the same key returns the same refund.
    ///
    /// # Errors
    /// [`StripeError::Refused`] when the payment cannot be given back, or not as much of it.
    pub async fn create_refund(&self, new: &NewRefund, key: &str) -> Result<Refund, StripeError> {
        let metadata = HashMap::from([(REFUND_ID.to_owned(), new.refund_id.to_string())]);
        let request = CreateRefund::new()
            .payment_intent(&new.payment_intent_id)
            .amount(i64::from(new.amount_in_cents))
            .metadata(metadata);
        let request = match new.reason.as_deref() {
            Some("duplicate") => request.reason(CreateRefundReason::Duplicate),
            Some("fraudulent") => request.reason(CreateRefundReason::Fraudulent),
            Some("requested_by_customer") => {
                request.reason(CreateRefundReason::RequestedByCustomer)
            }
            _ => request,
        };
        self.post(&request, key).await.map(Refund::from)
    }

    /// Every refund of a payment, newest first.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn list_refunds(&self, payment_intent_id: &str) -> Result<Vec<Refund>, StripeError> {
        let first = ListRefund::new()
            .payment_intent(payment_intent_id)
            .limit(super::PAGE);
        let mut refunds: Vec<Refund> = Vec::new();
        loop {
            let request = match refunds.last() {
                Some(last) => first.clone().starting_after(&last.id),
                None => first.clone(),
            };
            let page = request.send(self).await?;
            let more = page.has_more && !page.data.is_empty();
            refunds.extend(page.data.into_iter().map(Refund::from));
            if !more {
                return Ok(refunds);
            }
        }
    }
}

impl From<stripe_shared::Refund> for Refund {
    fn from(refund: stripe_shared::Refund) -> Self {
        let metadata = refund.metadata.unwrap_or_default();
        Self {
            id: refund.id.to_string(),
            refund_id: metadata.get(REFUND_ID).and_then(|id| id.parse().ok()),
            payment_intent_id: refund
                .payment_intent
                .map(|intent| intent.into_id().to_string()),
            amount_in_cents: bounded(refund.amount),
            status: refund.status.as_deref().and_then(refund_status),
            reason: refund.reason.map(|reason| reason.as_str().to_owned()),
            failure_reason: refund.failure_reason,
        }
    }
}
