//! Access follows from where the money is: the one idempotent function behind every refund, dispute and fulfilment.

use chrono::Utc;
use diesel::PgConnection;
use uuid::Uuid;

use crate::problem::{Code, Problem};
use crate::repositories::access_grant::{self, DISPUTE, REFUND};
use crate::repositories::purchase::{self, MoneyFacts, PurchaseRow};
use crate::repositories::user::{self, UserRow};
use crate::repositories::{dispute, refund};

/// Locks a purchase, its buyer first, as everywhere: two transactions never wait for each other in a circle.
///
/// # Errors
/// 404 when there is no such purchase.
pub fn lock(conn: &mut PgConnection, purchase_id: Uuid) -> Result<(UserRow, PurchaseRow), Problem> {
    let buyer_id = purchase::buyer(conn, purchase_id)?;
    let buyer = user::lock(conn, buyer_id)?;
    Ok((buyer, purchase::lock(conn, purchase_id)?))
}

/// Brings a purchase and what it gave in line with its refunds and disputes, whatever happened in whatever order.
///
/// Its access ends while all of the price has gone back or is on its way, while a refund that counts takes it, and
/// while a dispute is open or lost; it comes back when none of that is so any more. What was never given, because too
/// little was paid or the product was owned already, has no rows and cannot come back; nor does anything for a buyer
/// who was deleted.
///
/// # Errors
/// 409 `conflict` when more would go back than was paid: something is still to be learned from Stripe first.
pub fn align(conn: &mut PgConnection, purchase_id: Uuid) -> Result<(), Problem> {
    let (buyer, row) = lock(conn, purchase_id)?;
    access_grant::hold_courses_of(conn, purchase_id)?;
    let refunds = refund::counted(conn, purchase_id)?;
    let refunded: i64 = refunds.iter().map(|(amount, _)| i64::from(*amount)).sum();
    let refunded = i32::try_from(refunded)
        .ok()
        .filter(|refunded| *refunded <= row.price_paid_in_cents);
    let Some(refunded_in_cents) = refunded else {
        tracing::warn!(%purchase_id, "more would go back than was paid");
        return Err(Problem::new(Code::Conflict));
    };
    let is_refunded = !refunds.is_empty() && refunded_in_cents == row.price_paid_in_cents;
    let is_disputed = dispute::is_holding(conn, purchase_id)?;
    let facts = MoneyFacts {
        refunded_in_cents,
        refunded_at: is_refunded.then(|| row.refunded_at.unwrap_or_else(Utc::now)),
        disputed_at: is_disputed.then(|| row.disputed_at.unwrap_or_else(Utc::now)),
    };
    purchase::record_money(conn, purchase_id, &facts)?;
    if is_refunded || refunds.iter().any(|(_, revokes)| *revokes) {
        access_grant::end_purchase(conn, purchase_id, REFUND)?;
    } else if is_disputed {
        access_grant::end_purchase(conn, purchase_id, DISPUTE)?;
    } else if buyer.deleted_at.is_none() {
        access_grant::revive_purchase(conn, purchase_id)?;
    }
    Ok(())
}
