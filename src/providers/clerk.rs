//! Clerk's Backend API: the part of it that the store needs. <https://clerk.com/docs/reference/backend-api>

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::back_off;
use crate::config::ClerkConfig;
use crate::metrics::ProviderCalls;
use crate::problem::{Code, Problem};
use crate::repositories::user::ClerkFacts;

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(8);
/// Attempts in all. Every call of this client may be repeated.
const ATTEMPTS: u32 = 3;
/// The longest wait that Clerk may ask for before another attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The most people that Clerk lists at once.
pub const PAGE: usize = 500;

/// A client of Clerk's API. Cheap to clone.
#[derive(Clone)]
pub struct Clerk {
    http: reqwest::Client,
    api_url: String,
    secret_key: SecretString,
    calls: ProviderCalls,
}

/// Why a call came to nothing. Carries no words of Clerk's: those may quote what was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClerkError {
    /// No answer, or one that says "later", after every attempt.
    #[error("Clerk is unavailable: {0}")]
    Unavailable(String),
    /// Clerk understood and refused; a repetition would be refused as well.
    #[error("Clerk refused with {0}")]
    Refused(StatusCode),
    /// The answer is not what the documentation describes.
    #[error("Clerk's answer could not be read")]
    Unreadable,
}

impl From<ClerkError> for Problem {
    fn from(error: ClerkError) -> Self {
        tracing::error!(%error, "a call to Clerk failed");
        Self::unavailable(Code::IdentityProviderUnavailable, 5)
    }
}

/// A person at Clerk, in its API and in its events.
/// <https://clerk.com/docs/reference/backend/types/backend-user>
#[derive(Debug, Clone, Deserialize)]
pub struct ClerkUser {
    pub id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    image_url: Option<String>,
    primary_email_address_id: Option<String>,
    email_addresses: Option<Vec<EmailAddress>>,
    #[serde(default)]
    public_metadata: Value,
    /// Milliseconds since 1970.
    updated_at: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
struct EmailAddress {
    id: Option<String>,
    email_address: Option<String>,
    verification: Option<Verification>,
}

#[derive(Debug, Clone, Deserialize)]
struct Verification {
    status: Option<String>,
}

impl ClerkUser {
    /// Whether the public metadata says all of this already.
    pub fn has_metadata(&self, wanted: &Value) -> bool {
        let mut wanted = wanted.as_object().into_iter().flatten();
        wanted.all(|(name, value)| self.public_metadata.get(name) == Some(value))
    }

    /// When Clerk last changed it.
    pub fn updated_at(&self) -> Option<DateTime<Utc>> {
        self.updated_at.and_then(DateTime::from_timestamp_millis)
    }

    /// An address that Clerk has not verified might be anybody's.
    fn verified_primary_email(&self) -> Option<String> {
        let primary = self.primary_email_address_id.as_ref()?;
        let address = self
            .email_addresses
            .iter()
            .flatten()
            .find(|address| address.id.as_ref() == Some(primary))?;
        let status = address.verification.as_ref()?.status.as_deref();
        address
            .email_address
            .clone()
            .filter(|_| status == Some("verified"))
    }
}

impl From<ClerkUser> for ClerkFacts {
    fn from(user: ClerkUser) -> Self {
        Self {
            email: user.verified_primary_email(),
            name: full_name(user.first_name.as_deref(), user.last_name.as_deref()),
            clerk_updated_at: user.updated_at(),
            image_url: user.image_url,
            clerk_user_id: user.id,
        }
    }
}

/// First and last name, as far as there are any.
fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts = [first, last]
        .into_iter()
        .flatten()
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

impl Clerk {
    /// A client for the configured instance, over a pooled HTTP client; `None` without a secret key.
    pub fn new(config: &ClerkConfig, http: reqwest::Client, calls: ProviderCalls) -> Option<Self> {
        config.secret_key.clone().map(|secret_key| Self {
            http,
            api_url: config.api_url.clone(),
            secret_key,
            calls,
        })
    }

    /// Reads a person; `None` when Clerk has no such.
    ///
    /// # Errors
    /// As [`ClerkError`] says.
    pub async fn user(&self, id: &str) -> Result<Option<ClerkUser>, ClerkError> {
        let request = self.request(Method::GET, &user_path(id));
        match self.send(request).await? {
            Some(answer) => read(answer).map(Some),
            None => Ok(None),
        }
    }

    /// Reads up to [`PAGE`] people, those changed last first.
    ///
    /// # Errors
    /// As [`ClerkError`] says.
    pub async fn users(&self, offset: usize) -> Result<Vec<ClerkUser>, ClerkError> {
        let page = format!("/users?limit={PAGE}&offset={offset}&order_by=-updated_at");
        match self.send(self.request(Method::GET, &page)).await? {
            Some(answer) => read(answer),
            None => Err(ClerkError::Unreadable),
        }
    }

    /// Merges into a person's public metadata, which only servers can write. Nothing happens when Clerk has no such
    /// person.
    ///
    /// # Errors
    /// As [`ClerkError`] says.
    pub async fn merge_public_metadata(&self, id: &str, changes: &Value) -> Result<(), ClerkError> {
        let path = format!("{}/metadata", user_path(id));
        let request = self
            .request(Method::PATCH, &path)
            .json(&json!({ "public_metadata": changes }));
        self.send(request).await.map(drop)
    }

    /// Deletes a person. Well when there is no such any more.
    ///
    /// # Errors
    /// As [`ClerkError`] says.
    pub async fn delete_user(&self, id: &str) -> Result<(), ClerkError> {
        let request = self.request(Method::DELETE, &user_path(id));
        self.send(request).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}/v1{path}", self.api_url))
            .timeout(ATTEMPT_TIMEOUT)
            .bearer_auth(self.secret_key.expose_secret())
    }

    /// Sends until there is an answer to go by; `None` for 404.
    #[tracing::instrument(level = "debug", name = "clerk", skip_all, fields(otel.kind = "client"))]
    async fn send(&self, request: RequestBuilder) -> Result<Option<Value>, ClerkError> {
        let mut attempt = 1;
        loop {
            let again = request.try_clone().ok_or(ClerkError::Unreadable)?;
            let answer = again.send().await;
            self.calls.count("clerk", outcome(&answer));
            let (error, wait) = match answer {
                Err(error) => (error.without_url().to_string(), back_off(attempt)),
                Ok(answer) => match answer.status() {
                    StatusCode::NOT_FOUND => return absence(answer).await,
                    status if status.is_success() => {
                        let body = answer.json().await;
                        return body.map(Some).map_err(|_| ClerkError::Unreadable);
                    }
                    status
                        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() =>
                    {
                        let wait = retry_after(&answer).unwrap_or_else(|| back_off(attempt));
                        (status.to_string(), wait)
                    }
                    status => return Err(ClerkError::Refused(status)),
                },
            };
            if attempt == ATTEMPTS {
                return Err(ClerkError::Unavailable(error));
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

/// A word for the metrics. That there is no such person is an answer.
fn outcome(answer: &reqwest::Result<reqwest::Response>) -> &'static str {
    match answer.as_ref().map(reqwest::Response::status) {
        Ok(status) if status.is_success() || status == StatusCode::NOT_FOUND => "ok",
        Ok(StatusCode::TOO_MANY_REQUESTS) | Err(_) => "unavailable",
        Ok(status) if status.is_server_error() => "unavailable",
        Ok(_) => "refused",
    }
}

/// An id from a token is part of an address here, whatever it looks like.
fn user_path(id: &str) -> String {
    let mut url = String::from("/users/");
    url.extend(url::form_urlencoded::byte_serialize(id.as_bytes()));
    url
}

fn read<T: serde::de::DeserializeOwned>(answer: Value) -> Result<T, ClerkError> {
    serde_json::from_value(answer).map_err(|_| ClerkError::Unreadable)
}

/// `None` when it is Clerk that knows no such person, and not a proxy that knows no such address.
/// <https://clerk.com/docs/guides/development/errors/backend-api>
async fn absence(answer: reqwest::Response) -> Result<Option<Value>, ClerkError> {
    let body: Value = answer.json().await.unwrap_or_default();
    if body.pointer("/errors/0/code") == Some(&json!("resource_not_found")) {
        Ok(None)
    } else {
        Err(ClerkError::Refused(StatusCode::NOT_FOUND))
    }
}

fn retry_after(answer: &reqwest::Response) -> Option<Duration> {
    let seconds = answer.headers().get("retry-after")?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.parse().ok()?);
    Some(wait.min(LONGEST_WAIT))
}
