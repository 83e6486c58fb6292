//! Stripe's events: which object an event is about, and to which state it brings ours.
//!
//! Only the fields that are needed are read, and leniently: an event of another API version, with unknown fields
//! or values, is still understood or else ignored, never a failure that repeats.

use diesel::PgConnection;
use serde::Deserialize;
use serde_json::Value;

use super::{Outcome, money};
use crate::commerce::fulfil;
use crate::domain::money::Currency;
use crate::jobs::{self, Job};
use crate::problem::Problem;
use crate::providers::stripe::{CHECKOUT_ID, CheckoutSession, SessionState};
use crate::repositories::checkout;

/// The events that have an effect.
pub const EVENT_TYPES: [&str; 14] = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
];

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
}

/// Brings the store to the state that an event tells of, in the caller's transaction. `live` is the mode of the store's
/// own key, as far as the key says it.
///
/// # Errors
/// When a statement fails; the event is tried again then.
pub fn apply(
    conn: &mut PgConnection,
    kind: &str,
    payload: &Value,
    live: Option<bool>,
) -> Result<Outcome, Problem> {
    let mode = payload.get("livemode").and_then(Value::as_bool);
    if mode.is_some() && live.is_some() && mode != live {
        return Ok(Outcome::Ignored(
            "the event is not of the mode of the store's key",
        ));
    }
    // A thin event names its object and says nothing about it.
    let is_thin = payload.get("object").and_then(Value::as_str) == Some("v2.core.event");
    let object = if is_thin {
        payload.get("related_object")
    } else {
        payload.pointer("/data/object")
    };
    let kind = kind.strip_prefix("v1.").unwrap_or(kind);
    if let (Some(subject), Some(object)) = (money::subject(kind), object) {
        return money::apply(conn, subject, object);
    }
    match (kind, object) {
        (
            kind @ ("checkout.session.completed"
            | "checkout.session.async_payment_succeeded"
            | "checkout.session.async_payment_failed"
            | "checkout.session.expired"),
            Some(object),
        ) => session(conn, kind, object),
        (_, Some(_)) => Ok(Outcome::Ignored("events of this type are not used")),
        (_, None) => Ok(Outcome::Ignored("the event has no object")),
    }
}

fn session(conn: &mut PgConnection, kind: &str, object: &Value) -> Result<Outcome, Problem> {
    let Some(session_id) = object.get("id").and_then(Value::as_str) else {
        return Ok(Outcome::Ignored("the event names no checkout session"));
    };
    let named = object.pointer(&format!("/metadata/{CHECKOUT_ID}"));
    let named = named.and_then(Value::as_str).and_then(|id| id.parse().ok());
    let Some(checkout_id) = checkout::find_id_of_session(conn, session_id, named)? else {
        return Ok(Outcome::Ignored("the session was not opened by this store"));
    };
    let told = Session::deserialize(object).ok().and_then(Session::told);
    match told {
        Some(mut session) => {
            if kind == "checkout.session.async_payment_failed"
                && session.state == SessionState::Processing
            {
                session.state = SessionState::Failed;
            }
            fulfil::converge(conn, checkout_id, &session)?;
        }
        // The session is ours, but this is not the whole of it: Stripe is asked.
        None => jobs::enqueue(
            conn,
            &Job::RefreshCheckout {
                checkout_id,
                session_id: session_id.to_owned(),
            },
        )?,
    }
    Ok(Outcome::Processed)
}

impl Session {
    /// What it tells, when that is enough: its state, and for a paid one what can be booked.
    fn told(self) -> Option<CheckoutSession> {
        let state_is_told = self.status.is_some() && self.payment_status.is_some();
        let session = CheckoutSession {
            state: SessionState::of(self.status.as_deref(), self.payment_status.as_deref()),
            id: self.id,
            amount_total: self.amount_total,
            currency: self.currency.map(|currency| currency.to_ascii_lowercase()),
            payment_intent_id: self.payment_intent.as_ref().and_then(id_of),
            client_secret: self.client_secret,
            url: self.url,
        };
        let has_currency = session
            .currency
            .as_deref()
            .is_some_and(|currency| currency.parse::<Currency>().is_ok());
        let is_enough = match session.state {
            SessionState::Paid => has_currency && session.bookable_amount().is_some(),
            _ => state_is_told,
        };
        is_enough.then_some(session)
    }
}

/// The id of something that may be expanded.
pub fn id_of(expandable: &Value) -> Option<String> {
    expandable
        .as_str()
        .or_else(|| expandable.get("id")?.as_str())
        .map(str::to_owned)
}
