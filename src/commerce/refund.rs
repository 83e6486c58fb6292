//! Giving money back: the intent is committed first, then Stripe hears of it, then what it said is taken over. A
//! crash between any two steps is mended by a job that repeats them.

use chrono::{TimeDelta, Utc};
use diesel::PgConnection;
use uuid::Uuid;

use super::{access, payment};
use crate::app::AppState;
use crate::db::Actor;
use crate::domain::enums::RefundStatus;
use crate::jobs::{self, Job};
use crate::problem::{Code, Problem};
use crate::providers::stripe::{self, StripeError};
use crate::repositories::dispute;
use crate::repositories::idempotency_key::KEPT_FOR;
use crate::repositories::refund::{self, NewRefund, RefundFacts, RefundRow};

/// For how long a refund keeps to one idempotency key. Stripe repeats a failure of its own for as long as it knows the
/// key, and forgets the key after a day; by then no call under it is on its way any more.
const KEY_PATIENCE: TimeDelta = TimeDelta::hours(1);

/// What an owner asks for.
#[derive(Debug, Clone)]
pub struct Order {
    pub purchase_id: Uuid,
    /// At least 1; all that is left when nothing is said.
    pub amount_in_cents: Option<i32>,
    pub revoke_access: bool,
    pub reason: Option<String>,
    pub requested_by: Uuid,
    pub idempotency_key: String,
}

/// Refunds a purchase. Once this returns, the money is on its way or will be: the intent outlives Stripe's outages.
///
/// # Errors
/// 404; 409 when the money cannot go back (`already-refunded`, `refund-too-large`, `purchase-disputed`,
/// `payment-refused`).
pub async fn request(state: &AppState, actor: Actor, order: Order) -> Result<RefundRow, Problem> {
    let row = state
        .db
        .change(actor, move |conn| begin(conn, order))
        .await?;
    let id = row.id;
    if let Err(problem) = send(state, id).await {
        tracing::warn!(refund_id = %id, error = %problem, "a refund is left to the worker");
        state.ring_if_deaf();
    }
    let now = state.db.read(move |conn| Ok(refund::find(conn, id)?)).await;
    let row = now.unwrap_or(row);
    // Stripe never made it.
    if row.status == RefundStatus::Failed && row.stripe_refund_id.is_none() {
        return Err(Problem::new(Code::PaymentRefused));
    }
    Ok(row)
}

/// Writes the intent, and takes amount and access at once, unless the same request did so before and was not answered.
fn begin(conn: &mut PgConnection, order: Order) -> Result<RefundRow, Problem> {
    let (_, purchase) = access::lock(conn, order.purchase_id)?;
    let made = refund::find_of_key(
        conn,
        purchase.id,
        order.requested_by,
        &order.idempotency_key,
        Utc::now() - KEPT_FOR,
    )?;
    if let Some(made) = made {
        return Ok(made);
    }
    if dispute::is_holding(conn, purchase.id)? {
        return Err(Problem::new(Code::PurchaseDisputed));
    }
    if purchase.refunded_at.is_some() {
        return Err(Problem::new(Code::AlreadyRefunded));
    }
    let refundable = purchase.price_paid_in_cents - purchase.refunded_in_cents;
    let amount_in_cents = order.amount_in_cents.unwrap_or(refundable);
    if amount_in_cents > refundable {
        let left = format!(
            "At most {refundable} (in the smallest unit of {}) can still be given back.",
            purchase.currency
        );
        return Err(Problem::new(Code::RefundTooLarge).detail(left));
    }
    let is_local = purchase.stripe_payment_intent_id.is_none() || amount_in_cents == 0;
    let row = refund::insert(
        conn,
        &NewRefund {
            purchase_id: purchase.id,
            amount_in_cents,
            currency: purchase.currency,
            // Where nothing was paid, there is nothing that Stripe could give back.
            status: if is_local {
                RefundStatus::Succeeded
            } else {
                RefundStatus::Pending
            },
            revoke_access: order.revoke_access,
            reason: order.reason,
            requested_by: Some(order.requested_by),
            idempotency_key: Some(order.idempotency_key),
            stripe_refund_id: None,
            failure_reason: None,
        },
    )?;
    access::align(conn, row.purchase_id)?;
    if !is_local {
        jobs::enqueue(conn, &Job::SendRefund { refund_id: row.id })?;
    }
    Ok(row)
}

/// Makes the refund at Stripe, once, and takes the answer over (a job, too). A refusal gives amount and access back.
///
/// # Errors
/// When Stripe or the database does not answer.
pub async fn send(state: &AppState, refund_id: Uuid) -> Result<(), Problem> {
    let (row, payment_intent_id) = state
        .db
        .read(move |conn| Ok(refund::find_with_payment(conn, refund_id)?))
        .await?;
    let is_unsent = row.status == RefundStatus::Pending && row.stripe_refund_id.is_none();
    let Some(payment_intent_id) = payment_intent_id.filter(|_| is_unsent) else {
        return Ok(());
    };
    match make(state, &row, payment_intent_id).await {
        Ok(told) => {
            state
                .db
                .transaction(move |conn| converge(conn, &told))
                .await?;
            Ok(())
        }
        // A key that is wrong says nothing about this refund.
        Err(StripeError::Refused { status, code }) if !matches!(status, 401 | 403) => {
            tracing::error!(%refund_id, status, code, "Stripe refused a refund");
            state
                .db
                .transaction(move |conn| refuse(conn, &row, &code))
                .await
        }
        Err(error) => Err(error.into()),
    }
}

async fn make(
    state: &AppState,
    row: &RefundRow,
    payment_intent_id: String,
) -> Result<stripe::Refund, StripeError> {
    let mut key = format!("refund-{}", row.id);
    let age = Utc::now() - row.created_at;
    if age > KEY_PATIENCE {
        let made = state.stripe.list_refunds(&payment_intent_id).await?;
        if let Some(made) = made.into_iter().find(|made| made.refund_id == Some(row.id)) {
            return Ok(made);
        }
        key = format!("{key}-{}", age.num_days());
    }
    let new = stripe::NewRefund {
        refund_id: row.id,
        payment_intent_id,
        amount_in_cents: row.amount_in_cents,
        reason: row.reason.clone(),
    };
    state.stripe.create_refund(&new, &key).await
}

/// Gives back what the intent had taken.
fn refuse(conn: &mut PgConnection, row: &RefundRow, code: &str) -> Result<(), Problem> {
    access::lock(conn, row.purchase_id)?;
    let now = refund::find(conn, row.id)?;
    if now.status == RefundStatus::Pending && now.stripe_refund_id.is_none() {
        let facts = RefundFacts {
            status: RefundStatus::Failed,
            stripe_refund_id: None,
            failure_reason: Some(code.to_owned()),
        };
        refund::record(conn, row.id, &facts)?;
        access::align(conn, row.purchase_id)?;
    }
    Ok(())
}

/// Takes over what Stripe says of a refund, as far as it is news. `false` when its payment is not booked here.
///
/// # Errors
/// 409 `conflict` while it does not fit beside what else is known, such as an intent that Stripe will refuse; nothing is
/// changed then, and a repetition will fit.
pub fn converge(conn: &mut PgConnection, told: &stripe::Refund) -> Result<bool, Problem> {
    let Some(purchase_id) = payment::lock_booked(conn, told.payment_intent_id.as_deref())? else {
        return Ok(false);
    };
    let (_, purchase) = access::lock(conn, purchase_id)?;
    match refund::find_of_stripe(conn, purchase_id, &told.id, told.refund_id)? {
        Some(row) => {
            // Until Stripe speaks, the status is a guess of ours.
            let is_guess = row.stripe_refund_id.is_none();
            let status = match told.status {
                Some(status) if is_guess || status > row.status => status,
                None if is_guess => RefundStatus::Pending,
                _ => row.status,
            };
            let reason = told.failure_reason.clone().or(row.failure_reason);
            let facts = RefundFacts {
                status,
                stripe_refund_id: Some(told.id.clone()),
                failure_reason: reason.filter(|_| status.has_ended()),
            };
            refund::record(conn, row.id, &facts)?;
        }
        // Made in Stripe's dashboard.
        None => {
            let status = told.status.unwrap_or(RefundStatus::Pending);
            let new = NewRefund {
                purchase_id,
                amount_in_cents: told.amount_in_cents,
                currency: purchase.currency,
                status,
                revoke_access: false,
                reason: told.reason.clone(),
                requested_by: None,
                idempotency_key: None,
                stripe_refund_id: Some(told.id.clone()),
                failure_reason: told.failure_reason.clone().filter(|_| status.has_ended()),
            };
            refund::insert(conn, &new)?;
        }
    }
    access::align(conn, purchase_id)?;
    Ok(true)
}
