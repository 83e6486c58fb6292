//! Payments at Stripe: the receipt, what was given back or is disputed, and which payment an object belongs to.

use serde::{Deserialize, Serialize};
use stripe_checkout::checkout_session::ListCheckoutSession;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};
use stripe_core::charge::RetrieveCharge;
use stripe_core::dispute::RetrieveDispute;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_core::refund::RetrieveRefund;
use uuid::Uuid;

use super::disputes::Dispute;
use super::refunds::Refund;
use super::{CHECKOUT_ID, CheckoutSession, Stripe, StripeError};

/// What is worth keeping of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payment {
    pub receipt_url: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub card_country: Option<String>,
    /// Whether any of it was given back or disputed.
    pub is_touched: bool,
}

/// Where the money of a payment is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PaymentState {
    pub refunds: Vec<Refund>,
    pub disputes: Vec<Dispute>,
}

/// What is about a payment, and may be named without being shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentObject {
    Charge,
    Refund,
    Dispute,
    FraudWarning,
}

/// An early fraud warning, whose type the pinned crates do not have.
#[derive(miniserde::Deserialize)]
struct FraudWarning {
    charge: String,
    payment_intent: Option<String>,
}

struct RetrieveFraudWarning(String);

impl StripeRequest for RetrieveFraudWarning {
    type Output = FraudWarning;

    fn build(&self) -> RequestBuilder {
        let path = format!("/radar/early_fraud_warnings/{}", self.0);
        RequestBuilder::new(StripeMethod::Get, path)
    }
}

impl Stripe {
    /// Reads the receipt and the card's country of a payment.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn retrieve_payment(&self, payment_intent_id: &str) -> Result<Payment, StripeError> {
        let expand = vec!["latest_charge".to_owned()];
        let intent = RetrievePaymentIntent::new(payment_intent_id)
            .expand(expand)
            .customize()
            .send(self)
            .await?;
        let charge = intent
            .latest_charge
            .and_then(stripe_types::Expandable::into_object);
        Ok(charge.map_or_else(Payment::default, |charge| Payment {
            receipt_url: charge.receipt_url,
            is_touched: charge.disputed || charge.amount_refunded > 0,
            card_country: charge
                .payment_method_details
                .and_then(|details| details.card)
                .and_then(|card| card.country)
                .filter(|country| {
                    country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())
                }),
        }))
    }

    /// Reads the refunds and disputes of a payment.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn payment_state(
        &self,
        payment_intent_id: &str,
    ) -> Result<PaymentState, StripeError> {
        Ok(PaymentState {
            refunds: self.list_refunds(payment_intent_id).await?,
            disputes: self.list_disputes(payment_intent_id).await?,
        })
    }

    /// The checkout session that a payment was made in, and the checkout that it names as its own.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn session_of_payment(
        &self,
        payment_intent_id: &str,
    ) -> Result<Option<(CheckoutSession, Option<Uuid>)>, StripeError> {
        let request = ListCheckoutSession::new()
            .payment_intent(payment_intent_id)
            .limit(1);
        let session = request.send(self).await?.data.into_iter().next();
        Ok(session.map(|session| {
            let metadata = session.metadata.as_ref();
            let checkout_id = metadata
                .and_then(|metadata| metadata.get(CHECKOUT_ID))
                .and_then(|id| id.parse().ok());
            (session.into(), checkout_id)
        }))
    }

    /// The payment that an object is about; `None` for a charge outside of payment intents.
    ///
    /// # Errors
    /// [`StripeError::Refused`] when there is no such object.
    pub async fn payment_of(
        &self,
        object: PaymentObject,
        id: &str,
    ) -> Result<Option<String>, StripeError> {
        let intent = match object {
            PaymentObject::Refund => RetrieveRefund::new(id).send(self).await?.payment_intent,
            PaymentObject::Dispute => RetrieveDispute::new(id).send(self).await?.payment_intent,
            PaymentObject::Charge => RetrieveCharge::new(id).send(self).await?.payment_intent,
            PaymentObject::FraudWarning => {
                let request = RetrieveFraudWarning(id.to_owned());
                let warning = request.customize().send(self).await?;
                if warning.payment_intent.is_some() {
                    return Ok(warning.payment_intent);
                }
                let charge = RetrieveCharge::new(warning.charge).send(self).await?;
                charge.payment_intent
            }
        };
        Ok(intent.map(|intent| intent.into_id().to_string()))
    }
}
