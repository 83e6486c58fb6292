//! Following checkouts that are open at Stripe, and closing them. Whatever Stripe says is taken over by
//! [`fulfil`](super::fulfil); a checkout that was paid meanwhile is fulfilled.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::checkout::create_at_stripe;
use super::fulfil;
use crate::app::AppState;
use crate::domain::enums::CheckoutStatus;
use crate::jobs::{self, Job};
use crate::problem::{Code, Problem};
use crate::providers::stripe::{CheckoutSession, SessionState, StripeError};
use crate::repositories::checkout::{self, CheckoutRow, SessionFacts};

/// How long somebody who asks for a status waits for Stripe's part of the answer.
const REFRESH_WAIT: Duration = Duration::from_secs(3);

/// Asks Stripe where an open checkout stands and takes the answer over. What Stripe cannot say now, a webhook
/// will say later, so a failure only means that nothing was learned.
pub async fn refresh(state: &AppState, row: &CheckoutRow) -> Result<(), Problem> {
    if row.status == CheckoutStatus::Creating {
        // Given up in the middle, it is taken up again under the same key.
        let opened = timeout(REFRESH_WAIT, create_at_stripe(state, row.id)).await;
        if !matches!(opened, Ok(Ok(_))) {
            tracing::warn!(checkout_id = %row.id, "a checkout could not be opened");
        }
    }
    let Some(session_id) = row
        .stripe_session_id
        .as_deref()
        .filter(|_| row.status.is_live())
    else {
        return Ok(());
    };
    let asked = timeout(
        REFRESH_WAIT,
        state.stripe.retrieve_checkout_session(session_id),
    )
    .await;
    match asked.unwrap_or_else(|late| Err(StripeError::Unavailable(late.to_string()))) {
        Ok(session) => fulfil::settle(state, row.id, session).await.map(drop),
        Err(error) => {
            tracing::warn!(%error, checkout_id = %row.id, "a checkout could not be refreshed");
            Ok(())
        }
    }
}

/// Takes over where a session stands at Stripe. Returns whether the checkout moved.
///
/// # Errors
/// When Stripe or the database does not answer.
pub async fn read_session(state: &AppState, id: Uuid, session_id: &str) -> Result<bool, Problem> {
    let session = state.stripe.retrieve_checkout_session(session_id).await?;
    fulfil::settle(state, id, session).await
}

/// Closes an open checkout at the buyer's wish, at Stripe first: once this returns, nobody can pay it.
///
/// # Errors
/// 409 `checkout-not-open` when it is paid, being paid, or over; 503 when Stripe does not answer.
pub async fn cancel(state: &AppState, id: Uuid) -> Result<(), Problem> {
    // Not while its session is being opened: that one would be overlooked.
    let _guard = state.lock_checkout(id).await?;
    let (row, _) = state
        .db
        .read(move |conn| Ok(checkout::find(conn, id)?))
        .await?;
    match row.status {
        CheckoutStatus::Canceled => return Ok(()),
        CheckoutStatus::Open | CheckoutStatus::Creating => {}
        _ => return Err(Problem::new(Code::CheckoutNotOpen)),
    }
    if let Some(session_id) = &row.stripe_session_id {
        match state.stripe.expire_checkout_session(session_id).await {
            Ok(CheckoutSession {
                state: SessionState::Expired,
                ..
            }) => {}
            Ok(_) | Err(StripeError::Refused { .. }) => {
                refresh(state, &row).await?;
                return Err(Problem::new(Code::CheckoutNotOpen));
            }
            Err(error) => return Err(error.into()),
        }
    }
    state
        .db
        .transaction(move |conn| {
            let now = checkout::lock(conn, row.id)?;
            // Paid, or being paid, through another instance.
            if matches!(
                now.status,
                CheckoutStatus::Processing | CheckoutStatus::Fulfilled
            ) {
                return Err(Problem::new(Code::CheckoutNotOpen));
            }
            let facts = SessionFacts {
                status: Some(CheckoutStatus::Canceled),
                ..SessionFacts::default()
            };
            checkout::record(conn, row.id, &facts)?;
            if now.stripe_session_id != row.stripe_session_id {
                // Somebody was opening the session at Stripe just now.
                jobs::enqueue(
                    conn,
                    &Job::ExpireCheckout {
                        checkout_id: row.id,
                    },
                )?;
            }
            Ok(())
        })
        .await?;
    state.checkout_changed.notify_waiters();
    Ok(())
}

/// Closes the session of a checkout that was given up (a job). A session that was paid meanwhile is fulfilled.
///
/// # Errors
/// When Stripe or the database does not answer.
pub async fn expire(state: &AppState, id: Uuid) -> Result<(), Problem> {
    let (row, _) = state
        .db
        .read(move |conn| Ok(checkout::find(conn, id)?))
        .await?;
    let Some(session_id) = &row.stripe_session_id else {
        return Ok(());
    };
    let session = match state.stripe.expire_checkout_session(session_id).await {
        Err(StripeError::Refused { .. }) => {
            state.stripe.retrieve_checkout_session(session_id).await?
        }
        answer => answer?,
    };
    fulfil::settle(state, id, session).await.map(drop)
}
