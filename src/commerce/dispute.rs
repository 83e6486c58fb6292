//! Disputes: what a buyer's bank does about a payment holds its access until the payment is the store's again.

use diesel::PgConnection;

use super::{access, payment};
use crate::jobs::{self, Job};
use crate::problem::Problem;
use crate::providers::stripe;
use crate::repositories::dispute::{self, DisputeFacts};

/// Where a word about a dispute comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An event: how it was some time ago.
    Told,
    /// Stripe's answer to a question: how it is.
    Read,
}

/// How far along a dispute with this status is. One that is not known here gives way to every other, and holds nothing.
/// <https://docs.stripe.com/disputes/how-disputes-work>
fn rank(status: &str) -> u8 {
    match status {
        "warning_needs_response" => 1,
        "warning_under_review" => 2,
        "warning_closed" => 3,
        "needs_response" => 4,
        "under_review" => 5,
        "won" | "lost" | "prevented" => 6,
        _ => 0,
    }
}

/// Takes over what Stripe says of a dispute, as far as it is news. `false` when its payment is not booked here.
///
/// # Errors
/// When a statement fails; nothing is changed then.
pub fn converge(
    conn: &mut PgConnection,
    told: &stripe::Dispute,
    source: Source,
) -> Result<bool, Problem> {
    let payment_intent_id = told.payment_intent_id.as_deref();
    let Some(purchase_id) = payment::lock_booked(conn, payment_intent_id)? else {
        return Ok(false);
    };
    let (_, purchase) = access::lock(conn, purchase_id)?;
    if let Some(known) = dispute::find_of_stripe(conn, &told.id)? {
        let (next, last) = (rank(&told.status), rank(&known.status));
        if next < last {
            return Ok(true);
        }
        if next == last && told.status != known.status && source == Source::Told {
            // Of two ends only one holds, and an event does not say which came last.
            if let Some(id) = &told.payment_intent_id {
                let payment_intent_id = id.clone();
                jobs::enqueue(conn, &Job::ConvergePayment { payment_intent_id })?;
            }
            return Ok(true);
        }
    }
    let currency = told.currency.as_ref();
    let facts = DisputeFacts {
        purchase_id,
        stripe_dispute_id: told.id.clone(),
        amount_in_cents: told.amount_in_cents,
        currency: currency.map_or(purchase.currency, |currency| currency.as_str().to_owned()),
        status: told.status.clone(),
        reason: told.reason.clone(),
        evidence_due_at: told.evidence_due_at,
    };
    dispute::upsert(conn, &facts)?;
    access::align(conn, purchase_id)?;
    Ok(true)
}
