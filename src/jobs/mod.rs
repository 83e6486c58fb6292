//! What is done after a commit: events from the inbox and calls to the outside world from the outbox.

pub mod maintenance;
mod queue;
pub mod worker;

use diesel::{PgConnection, QueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::AppState;
use crate::commerce::{close, payment, people, refund};
use crate::problem::Problem;
use crate::providers::stripe::PaymentObject;
use crate::repositories::job;

/// A call to the outside world. Each may be made more than once and has its effect once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Job {
    /// Closes the Stripe session of a checkout that was given up.
    ExpireCheckout { checkout_id: Uuid },
    /// Asks Stripe where a session stands, when an event has not said enough.
    RefreshCheckout {
        checkout_id: Uuid,
        session_id: String,
    },
    /// Fetches the receipt and the card's country of a purchase.
    RefreshPayment { purchase_id: Uuid },
    /// Tells Clerk who a person is here. Written by a trigger on `users`, too.
    WriteBackUser { user_id: Uuid },
    /// Deletes a person at Clerk, and then here.
    DeleteAtClerk { user_id: Uuid },
    /// Makes a refund at Stripe whose intent is committed.
    SendRefund { refund_id: Uuid },
    /// Asks Stripe for all refunds and disputes of a payment.
    ConvergePayment { payment_intent_id: String },
    /// The same for the payment of an object that an event named without saying enough of it.
    FollowEvent { object: PaymentObject, id: String },
}

/// Writes a job in the transaction that needs it; a worker makes the call after the commit.
///
/// # Errors
/// When the statement fails.
pub fn enqueue(conn: &mut PgConnection, job: &Job) -> QueryResult<()> {
    let payload = serde_json::to_value(job)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    job::insert(conn, &payload)
}

/// Makes the call.
async fn perform(state: &AppState, job: Job) -> Result<(), Problem> {
    match job {
        Job::ExpireCheckout { checkout_id } => close::expire(state, checkout_id).await,
        Job::RefreshCheckout {
            checkout_id,
            session_id,
        } => close::read_session(state, checkout_id, &session_id)
            .await
            .map(drop),
        Job::RefreshPayment { purchase_id } => payment::refresh(state, purchase_id).await,
        Job::WriteBackUser { user_id } => people::write_back(state, user_id).await,
        Job::DeleteAtClerk { user_id } => people::delete_at_clerk(state, user_id).await,
        Job::SendRefund { refund_id } => refund::send(state, refund_id).await,
        Job::ConvergePayment { payment_intent_id } => {
            payment::converge(state, &payment_intent_id).await
        }
        Job::FollowEvent { object, id } => payment::follow(state, object, &id).await,
    }
}
