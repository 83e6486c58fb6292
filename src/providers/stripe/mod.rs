//! Stripe: async-stripe's typed requests and answers, in the store's own words. No Stripe type leaves this folder.

mod disputes;
mod events;
mod payments;
mod refunds;
mod transport;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing, CreateCheckoutSessionDiscounts,
    CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ExpireCheckoutSession, ProductData,
    RetrieveCheckoutSession,
};
use stripe_client_core::StripeRequest;
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_product::coupon::CreateCoupon;
use stripe_shared::{
    CheckoutSessionMode, CheckoutSessionPaymentStatus, CheckoutSessionStatus,
    CheckoutSessionUiMode, CouponDuration, PaymentIntentStatus,
};
use uuid::Uuid;

pub use self::disputes::{Dispute, due_at};
pub use self::events::Listed;
pub use self::payments::{Payment, PaymentObject, PaymentState};
pub use self::refunds::{NewRefund, REFUND_ID, Refund, bounded, refund_status};
pub use self::transport::StripeError;
use crate::config::StripeConfig;
use crate::domain::enums::CheckoutUiMode;
use crate::domain::money::Currency;
use crate::metrics::ProviderCalls;
use crate::problem::{Code, Problem};

/// Whether Stripe knows a currency. <https://docs.stripe.com/currencies>
pub fn charges_in(currency: &Currency) -> bool {
    let known = currency.as_str().parse();
    known.is_ok_and(|known| !matches!(known, stripe_types::Currency::Unknown(_)))
}

/// The key of the metadata under which a session and its payment carry our checkout's id.
pub const CHECKOUT_ID: &str = "checkoutId";

/// The longest page that Stripe's lists have.
const PAGE: i64 = 100;

/// A client of Stripe's API. Cheap to clone.
#[derive(Clone)]
pub struct Stripe {
    http: reqwest::Client,
    api_url: String,
    secret_key: SecretString,
    calls: ProviderCalls,
}

/// What is sold and how, as frozen on the checkout's row: the same row always makes the same request.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub checkout_id: Uuid,
    pub name: String,
    pub description: String,
    /// Shown by Stripe when it is an absolute https URL.
    pub image_url: String,
    /// The price, in the currency's smallest unit.
    pub subtotal_in_cents: i32,
    /// What a coupon takes off.
    pub percent_off: i32,
    pub currency: Currency,
    pub ui_mode: CheckoutUiMode,
    pub return_url: String,
    pub customer_email: Option<String>,
    pub expires_at: DateTime<Utc>,
}

/// A checkout session as the store needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutSession {
    pub id: String,
    pub state: SessionState,
    /// What is charged, in the currency's smallest unit.
    pub amount_total: Option<i64>,
    pub currency: Option<String>,
    pub payment_intent_id: Option<String>,
    pub client_secret: Option<String>,
    pub url: Option<String>,
}

impl CheckoutSession {
    /// What is charged, as the store can book it; `None` when it is not told, negative or out of all bounds.
    pub fn bookable_amount(&self) -> Option<i32> {
        let amount = self
            .amount_total
            .and_then(|amount| i32::try_from(amount).ok());
        amount.filter(|amount| *amount >= 0)
    }
}

/// Where a session and its payment stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// Waiting for the buyer.
    Open,
    /// The buyer is done, the money is on its way (a delayed payment method).
    Processing,
    /// The money is there, or none was due.
    Paid,
    /// The delayed payment failed.
    Failed,
    /// Nobody paid in time, or it was expired on purpose.
    Expired,
}

impl SessionState {
    /// Reads Stripe's two fields, as they stand in an object or in an event.
    pub fn of(status: Option<&str>, payment_status: Option<&str>) -> Self {
        match (status, payment_status) {
            (_, Some("paid")) | (Some("complete"), Some("no_payment_required")) => Self::Paid,
            (Some("expired"), _) => Self::Expired,
            (Some("complete"), _) => Self::Processing,
            _ => Self::Open,
        }
    }
}

impl From<StripeError> for Problem {
    fn from(error: StripeError) -> Self {
        tracing::error!(%error, "a call to Stripe failed");
        match error {
            StripeError::Refused { .. } => Self::new(Code::PaymentRefused),
            _ => Self::unavailable(Code::PaymentProviderUnavailable, 5),
        }
    }
}

impl Stripe {
    /// A client for the configured account, over a pooled HTTP client.
    pub fn new(config: &StripeConfig, http: reqwest::Client, calls: ProviderCalls) -> Self {
        Self {
            http,
            calls,
            api_url: config.api_url.clone(),
            secret_key: config.secret_key.clone(),
        }
    }

    /// Opens a session. Repeating it for the same checkout returns the same session.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn create_checkout_session(
        &self,
        new: &NewSession,
    ) -> Result<CheckoutSession, StripeError> {
        let request = session_request(new);
        let key = format!("checkout-{}", new.checkout_id);
        let session = match self.post(&request, &key).await {
            // The coupon is made when it is first needed, and again should somebody remove it. Stripe may have kept
            // the refusal under the first key.
            Err(error) if new.percent_off > 0 && error.is("resource_missing") => {
                self.create_coupon(new.percent_off).await?;
                self.post(&request, &format!("{key}-with-coupon")).await
            }
            answer => answer,
        };
        session.map(CheckoutSession::from)
    }

    /// Makes the coupon of a percentage under its fixed id; it is well when it is there already.
    async fn create_coupon(&self, percent_off: i32) -> Result<(), StripeError> {
        let id = coupon_id(percent_off);
        let request = CreateCoupon::new()
            .id(&id)
            .name(format!("{percent_off}% off"))
            .percent_off(f64::from(percent_off))
            .duration(CouponDuration::Once);
        // Not one key for ever: a coupon that was removed has to be made again.
        match self
            .post(&request, &format!("{id}-{}", Uuid::new_v4()))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.is("resource_already_exists") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads a session; for a payment that is under way its intent as well, which alone tells failed from slow.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn retrieve_checkout_session(
        &self,
        id: &str,
    ) -> Result<CheckoutSession, StripeError> {
        let session = RetrieveCheckoutSession::new(id)
            .customize()
            .send(self)
            .await?;
        let mut session = CheckoutSession::from(session);
        if let (SessionState::Processing, Some(intent)) =
            (session.state, &session.payment_intent_id)
        {
            let intent = RetrievePaymentIntent::new(intent.as_str())
                .customize()
                .send(self)
                .await?;
            if matches!(
                intent.status,
                PaymentIntentStatus::RequiresPaymentMethod | PaymentIntentStatus::Canceled
            ) {
                session.state = SessionState::Failed;
            }
        }
        Ok(session)
    }

    /// Closes an open session, so that nobody can pay it any more.
    ///
    /// # Errors
    /// [`StripeError::Refused`] when it is not open.
    pub async fn expire_checkout_session(&self, id: &str) -> Result<CheckoutSession, StripeError> {
        self.post(&ExpireCheckoutSession::new(id), &format!("expire-{id}"))
            .await
            .map(CheckoutSession::from)
    }
}

/// The parameters of a session. The same checkout always makes the same ones.
fn session_request(new: &NewSession) -> CreateCheckoutSession {
    let metadata = HashMap::from([(CHECKOUT_ID.to_owned(), new.checkout_id.to_string())]);
    let mut payment = CreateCheckoutSessionPaymentIntentData::new();
    payment.metadata = Some(metadata.clone());
    // Only what the offer says is charged: no conversion into the buyer's currency by Stripe.
    let mut pricing = CreateCheckoutSessionAdaptivePricing::new();
    pricing.enabled = Some(false);
    let mut request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .client_reference_id(new.checkout_id.to_string())
        .metadata(metadata)
        .payment_intent_data(payment)
        .adaptive_pricing(pricing)
        .expires_at(new.expires_at.timestamp())
        .line_items([line_item(new)]);
    if new.percent_off > 0 {
        let mut discount = CreateCheckoutSessionDiscounts::new();
        discount.coupon = Some(coupon_id(new.percent_off));
        request = request.discounts([discount]);
    }
    if let Some(email) = &new.customer_email {
        request = request.customer_email(email);
    }
    match new.ui_mode {
        CheckoutUiMode::Embedded => request
            .ui_mode(CheckoutSessionUiMode::EmbeddedPage)
            .return_url(&new.return_url),
        CheckoutUiMode::Elements => request
            .ui_mode(CheckoutSessionUiMode::Elements)
            .return_url(&new.return_url),
        CheckoutUiMode::Hosted => request
            .ui_mode(CheckoutSessionUiMode::HostedPage)
            .success_url(&new.return_url)
            .cancel_url(&new.return_url),
    }
}

/// The coupon that takes a percentage off, by its fixed id.
fn coupon_id(percent_off: i32) -> String {
    format!("lectern-{percent_off}-percent-off")
}

fn line_item(new: &NewSession) -> CreateCheckoutSessionLineItems {
    let mut product = ProductData::new(&new.name);
    product.description = Some(new.description.clone());
    product.images = new
        .image_url
        .starts_with("https://")
        .then(|| vec![new.image_url.clone()]);
    let currency: stripe_types::Currency = new
        .currency
        .as_str()
        .parse()
        .unwrap_or_else(|never| match never {});
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency);
    price.unit_amount = Some(new.subtotal_in_cents.into());
    price.product_data = Some(product);
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price_data = Some(price);
    item.quantity = Some(1);
    item
}

impl From<stripe_shared::CheckoutSession> for CheckoutSession {
    fn from(session: stripe_shared::CheckoutSession) -> Self {
        let status = session.status.as_ref().map(CheckoutSessionStatus::as_str);
        let payment_status = CheckoutSessionPaymentStatus::as_str(&session.payment_status);
        Self {
            state: SessionState::of(status, Some(payment_status)),
            amount_total: session.amount_total,
            currency: session.currency.map(|currency| currency.to_string()),
            payment_intent_id: session
                .payment_intent
                .map(|intent| intent.into_id().to_string()),
            client_secret: session.client_secret,
            url: session.url,
            id: session.id.to_string(),
        }
    }
}
