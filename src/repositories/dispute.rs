//! `disputes`: what buyers' banks do about payments.

use chrono::{DateTime, Utc};
use diesel::dsl::exists;
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::domain::slice::{Slice, SliceSize};
use crate::schema::{disputes, purchases};

/// While a dispute has one of these statuses, the payment is with the buyer's bank.
const HOLDING: [&str; 3] = ["needs_response", "under_review", "lost"];

/// With one of these, nothing more is to come.
const OVER: [&str; 4] = ["warning_closed", "won", "lost", "prevented"];

/// A dispute.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = disputes)]
pub struct DisputeRow {
    pub id: Uuid,
    pub purchase_id: Uuid,
    pub stripe_dispute_id: String,
    pub amount_in_cents: i32,
    pub currency: String,
    pub status: String,
    pub reason: String,
    pub evidence_due_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What Stripe says of a dispute.
#[derive(Debug, Clone, Insertable, AsChangeset)]
#[diesel(table_name = disputes, treat_none_as_null = true)]
pub struct DisputeFacts {
    pub purchase_id: Uuid,
    pub stripe_dispute_id: String,
    pub amount_in_cents: i32,
    pub currency: String,
    pub status: String,
    pub reason: String,
    pub evidence_due_at: Option<DateTime<Utc>>,
}

/// The row of a dispute at Stripe.
pub fn find_of_stripe(
    conn: &mut PgConnection,
    stripe_dispute_id: &str,
) -> QueryResult<Option<DisputeRow>> {
    DisputeRow::query()
        .filter(disputes::stripe_dispute_id.eq(stripe_dispute_id))
        .first(conn)
        .optional()
}

/// Takes over what Stripe says. The purchase has to be locked.
pub fn upsert(conn: &mut PgConnection, facts: &DisputeFacts) -> QueryResult<()> {
    diesel::insert_into(disputes::table)
        .values(facts)
        .on_conflict(disputes::stripe_dispute_id)
        .do_update()
        .set(facts)
        .execute(conn)
        .map(drop)
}

/// Whether a dispute that is open or was lost holds the payment of a purchase.
pub fn is_holding(conn: &mut PgConnection, purchase_id: Uuid) -> QueryResult<bool> {
    let holding = disputes::table.filter(
        disputes::purchase_id
            .eq(purchase_id)
            .and(disputes::status.eq_any(HOLDING)),
    );
    diesel::select(exists(holding)).get_result(conn)
}

/// The payments of disputes that are not over.
pub fn payments_open(conn: &mut PgConnection) -> QueryResult<Vec<Option<String>>> {
    disputes::table
        .inner_join(purchases::table)
        .filter(disputes::status.ne_all(OVER))
        .select(purchases::stripe_payment_intent_id)
        .load(conn)
}

/// Where the disputes of a payment stand, in one order.
pub fn states_of_payment(
    conn: &mut PgConnection,
    payment_intent_id: &str,
) -> QueryResult<Vec<(Uuid, String)>> {
    disputes::table
        .inner_join(purchases::table)
        .filter(purchases::stripe_payment_intent_id.eq(payment_intent_id))
        .order(disputes::id)
        .select((disputes::id, disputes::status))
        .load(conn)
}

/// All disputes of a person's purchases, newest first.
pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<DisputeRow>> {
    disputes::table
        .inner_join(purchases::table)
        .filter(purchases::user_id.eq(user_id))
        .order((disputes::created_at.desc(), disputes::id))
        .select(DisputeRow::as_select())
        .load(conn)
}

/// Any dispute.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<DisputeRow> {
    DisputeRow::query().filter(disputes::id.eq(id)).first(conn)
}

/// Which disputes; `None` leaves a side open.
#[derive(Debug, Clone, Default)]
pub struct DisputeFilter {
    pub purchase_id: Option<Uuid>,
    pub status: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// A page of disputes, newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &DisputeFilter,
    after: Option<Cursor<DateTime<Utc>>>,
    size: SliceSize,
) -> QueryResult<Slice<DisputeRow>> {
    let matching = || {
        let mut query = DisputeRow::query().into_boxed();
        if let Some(purchase_id) = filter.purchase_id {
            query = query.filter(disputes::purchase_id.eq(purchase_id));
        }
        if let Some(status) = &filter.status {
            query = query.filter(disputes::status.eq(status));
        }
        within!(query, disputes::created_at, filter)
    };
    let rows = after!(matching(), disputes::created_at, after, desc)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}
