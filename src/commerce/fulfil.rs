//! Brings a checkout to the state of its session at Stripe: the one locked, idempotent function behind webhook,
//! status request and repair. A status only moves forward, and payment has the last word.

use diesel::PgConnection;
use uuid::Uuid;

use super::checkout::set_aside;
use super::{access, payment};
use crate::app::AppState;
use crate::domain::enums::{CheckoutStatus, RefundStatus};
use crate::jobs::{self, Job};
use crate::problem::{Code, Problem};
use crate::providers::stripe::{CheckoutSession, SessionState};
use crate::repositories::access_grant;
use crate::repositories::checkout::{self, CheckoutRow, SessionFacts};
use crate::repositories::purchase::{self, NewPurchase};
use crate::repositories::refund::{self, NewRefund};
use crate::repositories::user::{self, UserRow};
use crate::webhooks::money;

/// Less or other money was paid than was asked for.
const AMOUNT_MISMATCH: &str = "amount-mismatch";
/// The buyer's account was deleted before the money came.
const BUYER_DELETED: &str = "buyer-deleted";
/// The buyer owned the product already.
const DUPLICATE: &str = "duplicate";

/// [`converge`] in a transaction of its own, and a word to whoever waits for the checkout. Returns whether it moved.
///
/// # Errors
/// When the database does not answer.
pub async fn settle(
    state: &AppState,
    checkout_id: Uuid,
    session: CheckoutSession,
) -> Result<bool, Problem> {
    let moved = state
        .db
        .transaction(move |conn| converge(conn, checkout_id, &session))
        .await?;
    if moved {
        state.checkout_changed.notify_waiters();
    }
    state.ring_if_deaf();
    Ok(moved)
}

/// Takes over what a session says, as far as it is news.
///
/// # Errors
/// When a statement fails; nothing is changed then.
pub fn converge(
    conn: &mut PgConnection,
    checkout_id: Uuid,
    session: &CheckoutSession,
) -> Result<bool, Problem> {
    if let (SessionState::Paid, Some(id)) = (session.state, &session.payment_intent_id) {
        payment::lock(conn, id)?;
    }
    // The buyer is locked first, as everywhere: two transactions never wait for each other in a circle.
    let (CheckoutRow { user_id, .. }, _) = checkout::find(conn, checkout_id)?;
    let buyer = user::lock(conn, user_id)?;
    let row = checkout::lock(conn, checkout_id)?;
    if row
        .stripe_session_id
        .as_ref()
        .is_some_and(|id| *id != session.id)
    {
        tracing::warn!(%checkout_id, session_id = session.id, "a session names a checkout that has another session");
        return Ok(false);
    }
    let paid = session.bookable_amount();
    if session.state == SessionState::Paid && paid.is_none() {
        tracing::error!(%checkout_id, "a paid session has no amount that can be booked");
        return Err(Problem::unavailable(Code::PaymentProviderUnavailable, 5));
    }
    // Nobody is charged another amount than they were shown.
    let as_offered = session
        .amount_total
        .is_none_or(|amount| amount == i64::from(row.total_in_cents));
    let next = match session.state {
        SessionState::Open if !as_offered => CheckoutStatus::Canceled,
        SessionState::Open => CheckoutStatus::Open,
        SessionState::Processing => CheckoutStatus::Processing,
        SessionState::Failed => CheckoutStatus::Failed,
        SessionState::Expired => CheckoutStatus::Expired,
        SessionState::Paid => CheckoutStatus::Fulfilled,
    };
    let facts = SessionFacts {
        status: (next > row.status).then_some(next),
        stripe_session_id: Some(session.id.clone()),
        client_secret: session.client_secret.clone(),
        url: session.url.clone(),
    };
    checkout::record(conn, row.id, &facts)?;
    let moved = facts.status.is_some();
    match (next, paid) {
        (CheckoutStatus::Fulfilled, Some(paid)) if moved => {
            fulfil(conn, &row, &buyer, session, paid)?;
        }
        (CheckoutStatus::Canceled, _) if moved => {
            jobs::enqueue(conn, &Job::ExpireCheckout { checkout_id })?;
        }
        // Given up while it was being opened: now that its session is known, it can be closed.
        _ if row.status == CheckoutStatus::Canceled && row.stripe_session_id.is_none() => {
            jobs::enqueue(conn, &Job::ExpireCheckout { checkout_id })?;
        }
        _ => {}
    }
    Ok(moved)
}

/// Purchase, grants and follow-up jobs, all from the frozen offer and in the caller's transaction.
fn fulfil(
    conn: &mut PgConnection,
    row: &CheckoutRow,
    buyer: &UserRow,
    session: &CheckoutSession,
    paid: i32,
) -> Result<(), Problem> {
    let subtotal = row.subtotal_in_cents.max(paid);
    let same_currency = session
        .currency
        .as_ref()
        .is_none_or(|currency| *currency == row.currency);
    let as_offered = paid == row.total_in_cents && same_currency;
    let enough = paid >= row.total_in_cents && same_currency;
    let is_deleted = buyer.deleted_at.is_some();
    let is_owned = purchase::is_owned(conn, buyer.id, row.product_id)?;
    let course_ids: Vec<Uuid> = row.course_ids.iter().flatten().copied().collect();
    let courses = access_grant::hold_courses(conn, &course_ids)?;
    let flags = [
        (!as_offered, AMOUNT_MISMATCH),
        (is_deleted, BUYER_DELETED),
        (is_owned, DUPLICATE),
    ];
    let purchase_id = purchase::insert(
        conn,
        &NewPurchase {
            user_id: buyer.id,
            product_id: row.product_id,
            product_details: row.product_details.clone(),
            // As offered, when it was paid as offered; the bill adds up in any case.
            subtotal_in_cents: subtotal,
            discount_in_cents: subtotal - paid,
            price_paid_in_cents: paid,
            currency: session
                .currency
                .clone()
                .unwrap_or_else(|| row.currency.clone()),
            checkout_id: Some(row.id),
            stripe_session_id: Some(session.id.clone()),
            stripe_payment_intent_id: session.payment_intent_id.clone(),
            flags: flags
                .into_iter()
                .filter(|(raised, _)| *raised)
                .map(|(_, flag)| flag.to_owned())
                .collect(),
        },
    )?;
    if enough && !is_deleted && !is_owned {
        access_grant::grant_purchase(conn, buyer.id, purchase_id, &courses)?;
    }
    // What happened to the payment before it was booked.
    if let Some(id) = &session.payment_intent_id {
        money::catch_up(conn, id)?;
    }
    access::align(conn, purchase_id)?;
    if is_owned {
        give_back(conn, purchase_id)?;
    }
    // What was opened beside it must not be paid as well.
    if let Some(sibling) = checkout::find_live(conn, buyer.id, row.product_id)? {
        set_aside(conn, sibling.id)?;
    }
    if session.payment_intent_id.is_some() {
        jobs::enqueue(conn, &Job::RefreshPayment { purchase_id })?;
    }
    tracing::info!(checkout_id = %row.id, %purchase_id, as_offered, "checkout fulfilled");
    Ok(())
}

/// Refunds what was paid for a product that the buyer owned already, as far as it has not gone back by itself.
fn give_back(conn: &mut PgConnection, purchase_id: Uuid) -> Result<(), Problem> {
    let row = purchase::find(conn, purchase_id)?;
    let amount_in_cents = row.price_paid_in_cents - row.refunded_in_cents;
    let is_payment = row.stripe_payment_intent_id.is_some() && amount_in_cents > 0;
    if !is_payment || row.disputed_at.is_some() {
        return Ok(());
    }
    let new = NewRefund {
        purchase_id,
        amount_in_cents,
        currency: row.currency,
        status: RefundStatus::Pending,
        revoke_access: false,
        reason: Some(DUPLICATE.to_owned()),
        requested_by: None,
        idempotency_key: None,
        stripe_refund_id: None,
        failure_reason: None,
    };
    let refund_id = refund::insert(conn, &new)?.id;
    jobs::enqueue(conn, &Job::SendRefund { refund_id })?;
    access::align(conn, purchase_id)
}
