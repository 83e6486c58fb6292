//! `checkouts`: the frozen offer behind a Stripe checkout session.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::enums::{CheckoutStatus, CheckoutUiMode};
use crate::schema::{checkouts, purchases};

/// A checkout.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = checkouts)]
pub struct CheckoutRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub product_id: Uuid,
    pub status: CheckoutStatus,
    pub ui_mode: CheckoutUiMode,
    pub return_url: String,
    pub product_details: serde_json::Value,
    pub course_ids: Vec<Option<Uuid>>,
    pub subtotal_in_cents: i32,
    pub percent_off: i32,
    pub discount_in_cents: i32,
    pub total_in_cents: i32,
    pub currency: String,
    pub country: Option<String>,
    pub customer_email: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub stripe_session_id: Option<String>,
    pub client_secret: Option<String>,
    pub url: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// A checkout to be: the offer, before Stripe hears of it.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = checkouts)]
pub struct NewCheckout {
    pub user_id: Uuid,
    pub product_id: Uuid,
    pub ui_mode: CheckoutUiMode,
    pub return_url: String,
    pub product_details: serde_json::Value,
    pub course_ids: Vec<Uuid>,
    pub subtotal_in_cents: i32,
    pub percent_off: i32,
    pub discount_in_cents: i32,
    pub total_in_cents: i32,
    pub currency: String,
    pub country: Option<String>,
    pub customer_email: Option<String>,
    pub expires_at: DateTime<Utc>,
}

/// What is learned from Stripe's session. `None` keeps what is known.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = checkouts)]
pub struct SessionFacts {
    pub status: Option<CheckoutStatus>,
    pub stripe_session_id: Option<String>,
    pub client_secret: Option<String>,
    pub url: Option<String>,
}

/// In these a checkout may still come to something.
const LIVE: [CheckoutStatus; 3] = [
    CheckoutStatus::Creating,
    CheckoutStatus::Open,
    CheckoutStatus::Processing,
];

/// Writes a new checkout.
pub fn insert(conn: &mut PgConnection, new: &NewCheckout) -> QueryResult<CheckoutRow> {
    diesel::insert_into(checkouts::table)
        .values(new)
        .returning(CheckoutRow::as_returning())
        .get_result(conn)
}

/// The buyer's checkout of a product that may still come to something. There is at most one.
pub fn find_live(
    conn: &mut PgConnection,
    user_id: Uuid,
    product_id: Uuid,
) -> QueryResult<Option<CheckoutRow>> {
    CheckoutRow::query()
        .filter(
            checkouts::user_id
                .eq(user_id)
                .and(checkouts::product_id.eq(product_id)),
        )
        .filter(checkouts::status.eq_any(LIVE))
        .for_no_key_update()
        .first(conn)
        .optional()
}

/// Checkouts of before that time that may still come to something, oldest first, behind a place among them.
pub fn unsettled(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> QueryResult<Vec<CheckoutRow>> {
    let mut query = CheckoutRow::query()
        .filter(checkouts::status.eq_any(LIVE))
        .filter(checkouts::created_at.lt(before))
        .into_boxed();
    if let Some((created_at, id)) = after {
        let behind = checkouts::created_at
            .gt(created_at)
            .or(checkouts::id.gt(id));
        query = query.filter(checkouts::created_at.ge(created_at).and(behind));
    }
    query
        .order((checkouts::created_at, checkouts::id))
        .limit(limit)
        .load(conn)
}

/// A checkout and the purchase that it became.
pub type CheckoutWithPurchase = (CheckoutRow, Option<Uuid>);

/// Reads a checkout.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<CheckoutWithPurchase> {
    checkouts::table
        .left_join(purchases::table)
        .filter(checkouts::id.eq(id))
        .select((CheckoutRow::as_select(), purchases::id.nullable()))
        .first(conn)
}

/// Reads a checkout of this person.
pub fn find_of_user(
    conn: &mut PgConnection,
    id: Uuid,
    user_id: Uuid,
) -> QueryResult<CheckoutWithPurchase> {
    checkouts::table
        .left_join(purchases::table)
        .filter(checkouts::id.eq(id).and(checkouts::user_id.eq(user_id)))
        .select((CheckoutRow::as_select(), purchases::id.nullable()))
        .first(conn)
}

/// All checkouts of a person, newest first.
pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<CheckoutWithPurchase>> {
    checkouts::table
        .left_join(purchases::table)
        .filter(checkouts::user_id.eq(user_id))
        .order((checkouts::created_at.desc(), checkouts::id))
        .select((CheckoutRow::as_select(), purchases::id.nullable()))
        .load(conn)
}

/// Locks a checkout: every change of its status comes one after the other.
pub fn lock(conn: &mut PgConnection, id: Uuid) -> QueryResult<CheckoutRow> {
    CheckoutRow::query()
        .filter(checkouts::id.eq(id))
        .for_no_key_update()
        .first(conn)
}

/// Records what was learned. The checkout has to be locked.
pub fn record(conn: &mut PgConnection, id: Uuid, facts: &SessionFacts) -> QueryResult<()> {
    diesel::update(checkouts::table.find(id))
        .set(facts)
        .execute(conn)
        .map(drop)
}

/// A person's checkouts that may still come to something.
pub fn live_of_user(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<Uuid>> {
    checkouts::table
        .filter(checkouts::user_id.eq(user_id))
        .filter(checkouts::status.eq_any(LIVE))
        .order(checkouts::id)
        .select(checkouts::id)
        .load(conn)
}

/// Forgets what is personal of somebody who was deleted.
pub fn forget_person(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<()> {
    diesel::update(checkouts::table.filter(checkouts::user_id.eq(user_id)))
        .set((
            checkouts::customer_email.eq(None::<String>),
            checkouts::client_secret.eq(None::<String>),
            checkouts::url.eq(None::<String>),
        ))
        .execute(conn)
        .map(drop)
}

/// The checkout behind a session: by the session's id, or by the id that the session carries.
pub fn find_id_of_session(
    conn: &mut PgConnection,
    session_id: &str,
    checkout_id: Option<Uuid>,
) -> QueryResult<Option<Uuid>> {
    let known = checkouts::table
        .filter(checkouts::stripe_session_id.eq(session_id))
        .select(checkouts::id)
        .first(conn)
        .optional()?;
    match (known, checkout_id) {
        (None, Some(id)) => checkouts::table
            .find(id)
            .select(checkouts::id)
            .first(conn)
            .optional(),
        (known, _) => Ok(known),
    }
}
