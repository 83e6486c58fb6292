//! Stripe's events: which object an event is about, and to which state it brings ours.
//!
//! Only the fields that are needed are read, and leniently: an event of another API version, with unknown fields
//! or values, is still understood or else ignored, never a failure that repeats.

use std::collections::HashMap;

use diesel::PgConnection;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Outcome;
use crate::commerce::fulfil;
use crate::jobs::{self, Job};
use crate::problem::Problem;
use crate::providers::stripe::{CHECKOUT_ID, CheckoutSession, SessionState};
use crate::repositories::checkout;

#[derive(Deserialize)]
struct Event<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

/// The fields of a checkout session that matter, all of them optional but the id.
#[derive(Deserialize)]
struct Session {
    id: String,
    status: Option<String>,
    payment_status: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    payment_intent: Option<Value>,
    client_secret: Option<String>,
    url: Option<String>,
    metadata: Option<HashMap<String, Value>>,
}

/// Brings the store to the state that an event tells of, in the caller's transaction.
///
/// # Errors
/// When a statement fails; the event is tried again then.
pub fn apply(conn: &mut PgConnection, kind: &str, payload: &Value) -> Result<Outcome, Problem> {
    match kind {
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed"
        | "checkout.session.expired" => session(conn, kind, payload),
        _ => Ok(Outcome::Ignored("events of this type are not used")),
    }
}

fn session(conn: &mut PgConnection, kind: &str, payload: &Value) -> Result<Outcome, Problem> {
    let Ok(event) = Event::<Session>::deserialize(payload) else {
        return Ok(Outcome::Ignored(
            "the event has no readable checkout session",
        ));
    };
    let mut session = CheckoutSession::from(event.data.object);
    if kind == "checkout.session.async_payment_failed" && session.state == SessionState::Processing
    {
        session.state = SessionState::Failed;
    }
    let Some(checkout_id) = checkout::find_id_of_session(conn, &session.id, session.checkout_id)?
    else {
        return Ok(Outcome::Ignored("the session was not opened by this store"));
    };
    if session.state == SessionState::Paid && session.amount_total.is_none() {
        // Nothing is booked without its amount.
        jobs::enqueue(
            conn,
            &Job::RefreshCheckout {
                checkout_id,
                session_id: session.id,
            },
        )?;
    } else {
        fulfil::converge(conn, checkout_id, &session)?;
    }
    Ok(Outcome::Processed)
}

impl From<Session> for CheckoutSession {
    fn from(session: Session) -> Self {
        let metadata = session.metadata.unwrap_or_default();
        Self {
            state: SessionState::of(session.status.as_deref(), session.payment_status.as_deref()),
            id: session.id,
            amount_total: session.amount_total,
            currency: session
                .currency
                .map(|currency| currency.to_ascii_lowercase()),
            payment_intent_id: session.payment_intent.as_ref().and_then(id_of),
            client_secret: session.client_secret,
            url: session.url,
            checkout_id: metadata
                .get(CHECKOUT_ID)
                .and_then(Value::as_str)
                .and_then(|id| id.parse::<Uuid>().ok()),
        }
    }
}

/// The id of something that may be expanded.
fn id_of(expandable: &Value) -> Option<String> {
    expandable
        .as_str()
        .or_else(|| expandable.get("id")?.as_str())
        .map(str::to_owned)
}
