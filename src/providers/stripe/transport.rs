//! How requests reach Stripe: one pooled client, a limit on every attempt, an idempotency key on every POST, and
//! retries under the same key. async-stripe's own client opens a connection for each call and has none of these.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use stripe_client_core::{
    CustomizedStripeRequest, IdempotencyKey, RequestStrategy, StripeClient, StripeClientErr,
    StripeMethod, StripeRequest, VERSION,
};

use super::Stripe;
use crate::providers::back_off;

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// When no other attempt is begun any more.
const DEADLINE: Duration = Duration::from_secs(10);
/// Attempts in all, under one idempotency key.
const ATTEMPTS: u32 = 3;

/// Why a call came to nothing. Carries Stripe's codes, never its messages: those may quote what was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StripeError {
    /// No answer, or one that says "later", after every attempt.
    #[error("Stripe is unavailable: {0}")]
    Unavailable(String),
    /// Stripe answered every attempt with an error of its own. It keeps such an answer under the idempotency key.
    #[error("Stripe is broken: {status}")]
    Broken { status: u16 },
    /// Stripe understood and refused; a repetition would be refused as well.
    #[error("Stripe refused with {status} {code}")]
    Refused { status: u16, code: String },
    /// The answer is not what the pinned API version describes.
    #[error("Stripe's answer could not be read")]
    Unreadable,
}

impl StripeError {
    /// Whether Stripe refused with this code. <https://docs.stripe.com/error-codes>
    pub fn is(&self, expected: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == expected)
    }
}

impl StripeClientErr for StripeError {
    fn deserialize_err(_: impl fmt::Display) -> Self {
        Self::Unreadable
    }
}

impl Stripe {
    /// Every POST carries a key derived from the row that it acts for, so that a retry, by this process or by
    /// the next one, has its effect once. <https://docs.stripe.com/api/idempotent_requests>
    pub(super) async fn post<R: StripeRequest>(
        &self,
        request: &R,
        key: &str,
    ) -> Result<R::Output, StripeError>
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

    #[tracing::instrument(level = "debug", name = "stripe", skip_all, fields(otel.kind = "client"))]
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
        let begun = Instant::now();
        let is_last = |attempt| attempt == ATTEMPTS || begun.elapsed() > DEADLINE;
        let mut attempt = 1;
        loop {
            let result = self.attempt(&raw).await;
            self.calls.count("stripe", outcome(&result));
            match result {
                Ok(body) => return Ok(body),
                Err(Attempt::Final(error)) => return Err(error),
                Err(Attempt::Again(StripeError::Refused { status, .. }))
                    if is_last(attempt) && status >= 500 =>
                {
                    return Err(StripeError::Broken { status });
                }
                Err(Attempt::Again(error)) if is_last(attempt) => {
                    return Err(StripeError::Unavailable(error.to_string()));
                }
                Err(Attempt::Again(_)) => tokio::time::sleep(back_off(attempt)).await,
            }
            attempt += 1;
        }
    }
}

/// A word for the metrics.
const fn outcome(result: &Result<Bytes, Attempt>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Attempt::Again(_)) => "unavailable",
        Err(Attempt::Final(_)) => "refused",
    }
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
