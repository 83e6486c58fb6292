//! The local Clerk's webhooks: built, signed the Standard Webhooks way, and delivered.

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde_json::Value;

use super::{LocalClerk, LocalClerkError, Person};

/// The `instance_id` in every event.
pub const INSTANCE_ID: &str = "ins_local";

/// What happened to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserEvent {
    Created,
    Updated,
    Deleted,
}

impl UserEvent {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "user.created",
            Self::Updated => "user.updated",
            Self::Deleted => "user.deleted",
        }
    }
}

impl LocalClerk {
    /// The payload that Clerk would send.
    #[must_use]
    pub fn user_event(&self, kind: UserEvent, person: &Person) -> Value {
        self.0.template.event(kind, person, INSTANCE_ID)
    }

    /// The three headers of a genuine delivery.
    #[must_use]
    pub fn signed_headers(
        &self,
        id: &str,
        sent_at: DateTime<Utc>,
        body: &[u8],
    ) -> [(&'static str, String); 3] {
        let timestamp = sent_at.timestamp();
        [
            ("svix-id", id.to_owned()),
            ("svix-timestamp", timestamp.to_string()),
            (
                "svix-signature",
                self.0.webhook_secret.sign(id, timestamp, body),
            ),
        ]
    }

    /// Sends an event under a new message id and returns the receiver's answer.
    ///
    /// # Errors
    /// [`LocalClerkError::NoWebhookUrl`], [`LocalClerkError::Delivery`]
    pub async fn deliver(&self, event: &Value) -> Result<StatusCode, LocalClerkError> {
        let id = format!("msg_{}", uuid::Uuid::new_v4().simple());
        self.deliver_as(&id, Utc::now(), event).await
    }

    /// Sends an event as a message of this id and time: a repetition, or a replay of an old one.
    ///
    /// # Errors
    /// [`LocalClerkError::NoWebhookUrl`], [`LocalClerkError::Delivery`]
    pub async fn deliver_as(
        &self,
        id: &str,
        sent_at: DateTime<Utc>,
        event: &Value,
    ) -> Result<StatusCode, LocalClerkError> {
        let url = self
            .state()
            .webhook_url
            .clone()
            .ok_or(LocalClerkError::NoWebhookUrl)?;
        let body = serde_json::to_vec(event)?;
        let mut request = self
            .0
            .http
            .post(url)
            .header("content-type", "application/json");
        for (name, value) in self.signed_headers(id, sent_at, &body) {
            request = request.header(name, value);
        }
        Ok(request.body(body).send().await?.status())
    }

    /// Tells the store by itself, when set up so. Failures are logged: the store has to live without the event.
    pub(super) async fn announce(&self, kind: UserEvent, person: &Person) {
        if !self.0.announce {
            return;
        }
        match self.deliver(&self.user_event(kind, person)).await {
            Ok(status) if status.is_success() => {}
            Ok(status) => {
                tracing::warn!(%status, event = kind.as_str(), "the local Clerk's webhook was refused");
            }
            Err(error) => {
                tracing::warn!(%error, event = kind.as_str(), "the local Clerk's webhook was not sent");
            }
        }
    }
}
