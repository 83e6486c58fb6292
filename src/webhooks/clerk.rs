//! Clerk's events: people who appear, change and go. The newest facts win, and a deletion is for good.

use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use crate::problem::Problem;
use crate::repositories::checkout;
use crate::repositories::user::{self, ClerkFacts};

#[derive(Deserialize)]
struct Event<T> {
    data: T,
}

/// A person at Clerk. <https://clerk.com/docs/reference/backend/types/backend-user>
#[derive(Deserialize)]
struct ClerkUser {
    id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    image_url: Option<String>,
    primary_email_address_id: Option<String>,
    email_addresses: Option<Vec<EmailAddress>>,
    /// Milliseconds since 1970.
    updated_at: Option<i64>,
}

#[derive(Deserialize)]
struct EmailAddress {
    id: Option<String>,
    email_address: Option<String>,
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    status: Option<String>,
}

#[derive(Deserialize)]
struct DeletedUser {
    id: String,
}

/// Brings the store to the state that an event tells of, in the caller's transaction.
///
/// # Errors
/// When a statement fails; the event is tried again then.
pub fn apply(conn: &mut PgConnection, kind: &str, payload: &Value) -> Result<Outcome, Problem> {
    match kind {
        "user.created" | "user.updated" => {
            let Ok(event) = Event::<ClerkUser>::deserialize(payload) else {
                return Ok(Outcome::Ignored("the event has no readable user"));
            };
            user::upsert_from_clerk(conn, &event.data.into())?;
            Ok(Outcome::Processed)
        }
        "user.deleted" => {
            let Ok(event) = Event::<DeletedUser>::deserialize(payload) else {
                return Ok(Outcome::Ignored("the event names no user"));
            };
            let buried = user::bury(conn, &event.data.id, Utc::now())?;
            checkout::forget_email(conn, buried)?;
            Ok(Outcome::Processed)
        }
        _ => Ok(Outcome::Ignored("events of this type are not used")),
    }
}

impl From<ClerkUser> for ClerkFacts {
    fn from(user: ClerkUser) -> Self {
        Self {
            email: user.verified_primary_email(),
            name: full_name(user.first_name.as_deref(), user.last_name.as_deref()),
            image_url: user.image_url,
            clerk_updated_at: user.updated_at.and_then(DateTime::from_timestamp_millis),
            clerk_user_id: user.id,
        }
    }
}

impl ClerkUser {
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
