//! Stripe: async-stripe's typed requests over one pooled HTTP client. No Stripe type leaves this file.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    ExpireCheckoutSession, ProductData, RetrieveCheckoutSession,
};
use stripe_client_core::{
    CustomizedStripeRequest, IdempotencyKey, RequestStrategy, StripeClient, StripeClientErr,
    StripeMethod, StripeRequest, VERSION,
};
use stripe_core::payment_intent::RetrievePaymentIntent;
use stripe_shared::{
    CheckoutSessionMode, CheckoutSessionPaymentStatus, CheckoutSessionStatus,
    CheckoutSessionUiMode, PaymentIntentStatus,
};
use uuid::Uuid;

use crate::config::StripeConfig;
use crate::domain::enums::CheckoutUiMode;
use crate::domain::money::Currency;
use crate::problem::{Code, Problem};

/// The key of the metadata under which a session and its payment carry our checkout's id.
pub const CHECKOUT_ID: &str = "checkoutId";

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Attempts in all, under one idempotency key.
const ATTEMPTS: u32 = 3;

/// A client of Stripe's API. Cheap to clone.
#[derive(Clone)]
pub struct Stripe {
    http: reqwest::Client,
    api_url: String,
    secret_key: SecretString,
}

/// What is sold and how, as frozen on the checkout's row: the same row always makes the same request.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub checkout_id: Uuid,
    pub name: String,
    pub description: String,
    /// Shown by Stripe when it is an absolute https URL.
    pub image_url: String,
    /// What is charged, in the currency's smallest unit.
    pub total_in_cents: i32,
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
    /// Our checkout, from the session's metadata; `None` for a session that is not ours.
    pub checkout_id: Option<Uuid>,
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

/// What is worth keeping of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payment {
    pub receipt_url: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub card_country: Option<String>,
}

/// Why a call came to nothing. Carries Stripe's codes, never its messages: those may quote what was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StripeError {
    /// No answer, or one that says "later", after every attempt.
    #[error("Stripe is unavailable: {0}")]
    Unavailable(String),
    /// Stripe understood and refused; a repetition would be refused as well.
    #[error("Stripe refused with {status} {code}")]
    Refused { status: u16, code: String },
    /// The answer is not what the pinned API version describes.
    #[error("Stripe's answer could not be read")]
    Unreadable,
}

impl StripeClientErr for StripeError {
    fn deserialize_err(_: impl fmt::Display) -> Self {
        Self::Unreadable
    }
}

impl From<StripeError> for Problem {
    fn from(error: StripeError) -> Self {
        tracing::error!(%error, "a call to Stripe failed");
        Self::unavailable(Code::PaymentProviderUnavailable, 5)
    }
}

impl Stripe {
    /// A client for the configured account, over a pooled HTTP client.
    pub fn new(config: &StripeConfig, http: reqwest::Client) -> Self {
        Self {
            http,
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
        if let Some(email) = &new.customer_email {
            request = request.customer_email(email);
        }
        let request = match new.ui_mode {
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
        };
        self.post(&request, &format!("checkout-{}", new.checkout_id))
            .await
            .map(CheckoutSession::from)
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
            card_country: charge
                .payment_method_details
                .and_then(|details| details.card)
                .and_then(|card| card.country)
                .filter(|country| {
                    country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase())
                }),
        }))
    }

    /// Every POST carries a key derived from the row that it acts for, so that a retry, by this process or by
    /// the next one, has its effect once. <https://docs.stripe.com/api/idempotent_requests>
    async fn post<R: StripeRequest>(&self, request: &R, key: &str) -> Result<R::Output, StripeError>
    where
        R::Output: miniserde::Deserialize,
    {
        let key = IdempotencyKey::new(key).map_err(|_| StripeError::Unreadable)?;
        request
            .customize()
            .request_strategy(RequestStrategy::Idempotent(key))
            .send(self)
            .await
    }

    async fn attempt(&self, request: &RawRequest) -> Result<Bytes, Attempt> {
        let mut builder = self
            .http
            .request(request.method.clone(), &request.url)
            .timeout(ATTEMPT_TIMEOUT)
            .bearer_auth(self.secret_key.expose_secret())
            .header("Stripe-Version", VERSION.as_str());
        if let Some(key) = &request.idempotency_key {
            builder = builder.header("Idempotency-Key", key);
        }
        if let Some(body) = &request.body {
            builder = builder
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(body.clone());
        }
        let response = builder.send().await.map_err(Attempt::network)?;
        let status = response.status();
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let stripe_request_id = header("request-id").unwrap_or_default();
        let should_retry = header("stripe-should-retry");
        tracing::info!(url = %request.url, status = status.as_u16(), stripe_request_id, "called Stripe");
        let body = response.bytes().await.map_err(Attempt::network)?;
        if status.is_success() {
            return Ok(body);
        }
        let error = refusal(status, &body);
        match should_retry.as_deref() {
            Some("true") => Err(Attempt::Again(error)),
            Some("false") => Err(Attempt::Final(error)),
            _ if is_transient(status) => Err(Attempt::Again(error)),
            _ => Err(Attempt::Final(error)),
        }
    }
}

/// How one attempt failed: for good, or worth another.
enum Attempt {
    Again(StripeError),
    Final(StripeError),
}

impl Attempt {
    fn network(error: reqwest::Error) -> Self {
        Self::Again(StripeError::Unavailable(error.without_url().to_string()))
    }
}

struct RawRequest {
    method: reqwest::Method,
    url: String,
    body: Option<String>,
    idempotency_key: Option<String>,
}

impl StripeClient for Stripe {
    type Err = StripeError;

    async fn execute(&self, request: CustomizedStripeRequest) -> Result<Bytes, StripeError> {
        let (request, options) = request.into_pieces();
        let query = request
            .query
            .filter(|query| !query.is_empty())
            .map(|query| format!("?{query}"));
        let raw = RawRequest {
            method: match request.method {
                StripeMethod::Get => reqwest::Method::GET,
                StripeMethod::Post => reqwest::Method::POST,
                StripeMethod::Delete => reqwest::Method::DELETE,
            },
            url: format!(
                "{}/v1{}{}",
                self.api_url,
                request.path,
                query.unwrap_or_default()
            ),
            body: request.body,
            idempotency_key: options
                .request_strategy
                .and_then(|strategy| strategy.get_key())
                .map(IdempotencyKey::into_inner),
        };
        let mut attempt = 1;
        loop {
            match self.attempt(&raw).await {
                Ok(body) => return Ok(body),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Again(error)) if attempt == ATTEMPTS => {
                    return Err(StripeError::Unavailable(error.to_string()));
                }
                Err(Attempt::Again(_)) => tokio::time::sleep(back_off(attempt)).await,
            }
            attempt += 1;
        }
    }
}

/// Doubling from 0.2 s, with half of it at random, so that many clients do not come back together.
fn back_off(attempt: u32) -> Duration {
    let full = 200 * 2_u64.pow(attempt - 1);
    Duration::from_millis(full / 2 + fastrand::u64(0..=full / 2))
}

/// <https://docs.stripe.com/error-low-level>
fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 409 | 424 | 429) || status.is_server_error()
}

fn refusal(status: StatusCode, body: &[u8]) -> StripeError {
    #[derive(serde::Deserialize, Default)]
    struct Body {
        #[serde(default)]
        error: Detail,
    }
    #[derive(serde::Deserialize, Default)]
    struct Detail {
        code: Option<String>,
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    let detail = serde_json::from_slice::<Body>(body)
        .unwrap_or_default()
        .error;
    StripeError::Refused {
        status: status.as_u16(),
        code: detail.code.or(detail.kind).unwrap_or_default(),
    }
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
    price.unit_amount = Some(new.total_in_cents.into());
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
        let metadata = session.metadata.unwrap_or_default();
        Self {
            state: SessionState::of(status, Some(payment_status)),
            amount_total: session.amount_total,
            currency: session.currency.map(|currency| currency.to_string()),
            payment_intent_id: session
                .payment_intent
                .map(|intent| intent.into_id().to_string()),
            client_secret: session.client_secret,
            url: session.url,
            checkout_id: metadata.get(CHECKOUT_ID).and_then(|id| id.parse().ok()),
            id: session.id.to_string(),
        }
    }
}
