//! Clerk's events: people who appear, change and go. The newest facts win, and a deletion is for good.

use diesel::PgConnection;
use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use crate::commerce::people;
use crate::problem::Problem;
use crate::providers::clerk::ClerkUser;

#[derive(Deserialize)]
struct Event<T> {
    data: T,
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
            people::take_over(conn, event.data)?;
            Ok(Outcome::Processed)
        }
        "user.deleted" => {
            let Ok(event) = Event::<DeletedUser>::deserialize(payload) else {
                return Ok(Outcome::Ignored("the event names no user"));
            };
            people::bury(conn, &event.data.id)?;
            Ok(Outcome::Processed)
        }
        _ => Ok(Outcome::Ignored("events of this type are not used")),
    }
}
