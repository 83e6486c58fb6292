//! `refunds`: money that went back, or shall.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::domain::enums::RefundStatus;
use crate::domain::slice::{Slice, SliceSize};
use crate::schema::{purchases, refunds};

/// A refund.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = refunds)]
pub struct RefundRow {
    pub id: Uuid,
    pub purchase_id: Uuid,
    pub amount_in_cents: i32,
    pub currency: String,
    pub status: RefundStatus,
    pub revoke_access: bool,
    pub reason: Option<String>,
    pub requested_by: Option<Uuid>,
    pub stripe_refund_id: Option<String>,
    pub failure_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A refund to be: an intent before Stripe hears of it, or what Stripe told of one that was made elsewhere.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = refunds)]
pub struct NewRefund {
    pub purchase_id: Uuid,
    pub amount_in_cents: i32,
    pub currency: String,
    pub status: RefundStatus,
    pub revoke_access: bool,
    pub reason: Option<String>,
    pub requested_by: Option<Uuid>,
    pub idempotency_key: Option<String>,
    pub stripe_refund_id: Option<String>,
    pub failure_reason: Option<String>,
}

/// Where a refund stands.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = refunds, treat_none_as_null = true)]
pub struct RefundFacts {
    pub status: RefundStatus,
    pub stripe_refund_id: Option<String>,
    pub failure_reason: Option<String>,
}

/// Writes a new refund. The purchase has to be locked.
pub fn insert(conn: &mut PgConnection, new: &NewRefund) -> QueryResult<RefundRow> {
    diesel::insert_into(refunds::table)
        .values(new)
        .returning(RefundRow::as_returning())
        .get_result(conn)
}

/// Records where a refund stands. The purchase has to be locked.
pub fn record(conn: &mut PgConnection, id: Uuid, facts: &RefundFacts) -> QueryResult<()> {
    diesel::update(refunds::table.find(id))
        .set(facts)
        .execute(conn)
        .map(drop)
}

/// Forgets why somebody who was deleted got money back, in the owner's words. Stripe's own words are not about anybody,
/// and stay: a call that is repeated has to say the same.
pub fn forget_reasons(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<()> {
    const OF_STRIPE: [&str; 3] = ["duplicate", "fraudulent", "requested_by_customer"];
    let bought = purchases::table
        .filter(purchases::user_id.eq(user_id))
        .select(purchases::id);
    diesel::update(refunds::table.filter(refunds::purchase_id.eq_any(bought)))
        .filter(refunds::reason.ne_all(OF_STRIPE))
        .set(refunds::reason.eq(None::<String>))
        .execute(conn)
        .map(drop)
}

/// Any refund.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<RefundRow> {
    RefundRow::query().filter(refunds::id.eq(id)).first(conn)
}

/// All refunds of a person's purchases, newest first.
pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<RefundRow>> {
    refunds::table
        .inner_join(purchases::table)
        .filter(purchases::user_id.eq(user_id))
        .order((refunds::created_at.desc(), refunds::id))
        .select(RefundRow::as_select())
        .load(conn)
}

/// A refund and the payment that it gives back.
pub fn find_with_payment(
    conn: &mut PgConnection,
    id: Uuid,
) -> QueryResult<(RefundRow, Option<String>)> {
    refunds::table
        .inner_join(purchases::table)
        .filter(refunds::id.eq(id))
        .select((RefundRow::as_select(), purchases::stripe_payment_intent_id))
        .first(conn)
}

/// The refund that a request of this admin with this key has made since then. The purchase has to be locked.
pub fn find_of_key(
    conn: &mut PgConnection,
    purchase_id: Uuid,
    requested_by: Uuid,
    idempotency_key: &str,
    since: DateTime<Utc>,
) -> QueryResult<Option<RefundRow>> {
    RefundRow::query()
        .filter(refunds::purchase_id.eq(purchase_id))
        .filter(refunds::requested_by.eq(requested_by))
        .filter(refunds::idempotency_key.eq(idempotency_key))
        .filter(refunds::created_at.gt(since))
        .first(conn)
        .optional()
}

/// The row of a refund at Stripe: the one that knows it, or the intent that it names as its own.
pub fn find_of_stripe(
    conn: &mut PgConnection,
    purchase_id: Uuid,
    stripe_refund_id: &str,
    refund_id: Option<Uuid>,
) -> QueryResult<Option<RefundRow>> {
    let known = RefundRow::query()
        .filter(refunds::stripe_refund_id.eq(stripe_refund_id))
        .first(conn)
        .optional()?;
    match (known, refund_id) {
        (None, Some(id)) => RefundRow::query()
            .filter(refunds::id.eq(id).and(refunds::purchase_id.eq(purchase_id)))
            .filter(refunds::stripe_refund_id.is_null())
            .first(conn)
            .optional(),
        (known, _) => Ok(known),
    }
}

/// Of a purchase's refunds that count, what each gives back and whether it takes the access.
pub fn counted(conn: &mut PgConnection, purchase_id: Uuid) -> QueryResult<Vec<(i32, bool)>> {
    let counts = [RefundStatus::Pending, RefundStatus::Succeeded];
    refunds::table
        .filter(
            refunds::purchase_id
                .eq(purchase_id)
                .and(refunds::status.eq_any(counts)),
        )
        .select((refunds::amount_in_cents, refunds::revoke_access))
        .load(conn)
}

/// The payments of refunds that are on their way.
pub fn payments_pending(conn: &mut PgConnection) -> QueryResult<Vec<(Uuid, Option<String>)>> {
    refunds::table
        .inner_join(purchases::table)
        .filter(refunds::status.eq(RefundStatus::Pending))
        .select((refunds::id, purchases::stripe_payment_intent_id))
        .load(conn)
}

/// Where the refunds of a payment stand, in one order.
pub fn states_of_payment(
    conn: &mut PgConnection,
    payment_intent_id: &str,
) -> QueryResult<Vec<(Uuid, RefundStatus, Option<String>)>> {
    refunds::table
        .inner_join(purchases::table)
        .filter(purchases::stripe_payment_intent_id.eq(payment_intent_id))
        .order(refunds::id)
        .select((refunds::id, refunds::status, refunds::stripe_refund_id))
        .load(conn)
}

/// Which refunds; `None` leaves a side open.
#[derive(Debug, Clone, Default)]
pub struct RefundFilter {
    pub purchase_id: Option<Uuid>,
    pub status: Option<RefundStatus>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// A page of refunds, newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &RefundFilter,
    after: Option<Cursor<DateTime<Utc>>>,
    size: SliceSize,
) -> QueryResult<Slice<RefundRow>> {
    let matching = || {
        let mut query = RefundRow::query().into_boxed();
        if let Some(purchase_id) = filter.purchase_id {
            query = query.filter(refunds::purchase_id.eq(purchase_id));
        }
        if let Some(status) = filter.status {
            query = query.filter(refunds::status.eq(status));
        }
        within!(query, refunds::created_at, filter)
    };
    let rows = after!(matching(), refunds::created_at, after, desc)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}
