//! `purchases`: what was paid or claimed.

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::dsl::{exists, sql};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Jsonb};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::domain::enums::RefundStatus;
use crate::domain::slice::{Slice, SliceSize};
use crate::schema::{access_grants, purchases, users};

diesel::define_sql_function! {
    /// The refunds of a purchase that count, as JSON: a page of purchases is read with them in one statement.
    fn counted_refunds(of_purchase: diesel::sql_types::Uuid) -> Jsonb;
}

/// A purchase.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = purchases)]
pub struct PurchaseRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub product_id: Uuid,
    pub product_details: serde_json::Value,
    pub subtotal_in_cents: i32,
    pub discount_in_cents: i32,
    pub price_paid_in_cents: i32,
    pub refunded_in_cents: i32,
    pub currency: String,
    pub stripe_payment_intent_id: Option<String>,
    pub receipt_url: Option<String>,
    /// When Stripe was last asked for it.
    pub receipt_checked_at: Option<DateTime<Utc>>,
    pub card_country: Option<String>,
    pub flags: Vec<Option<String>>,
    pub refunded_at: Option<DateTime<Utc>>,
    pub disputed_at: Option<DateTime<Utc>>,
    #[diesel(select_expression = counted_refunds(purchases::id))]
    pub refunds: CountedRefunds,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The refunds that count, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, FromSqlRow)]
pub struct CountedRefunds(pub Vec<CountedRefund>);

/// A refund on a bill.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CountedRefund {
    pub amount_in_cents: i32,
    pub status: RefundStatus,
}

impl FromSql<Jsonb, Pg> for CountedRefunds {
    fn from_sql(bytes: PgValue<'_>) -> deserialize::Result<Self> {
        let refunds = <serde_json::Value as FromSql<Jsonb, Pg>>::from_sql(bytes)?;
        Ok(serde_json::from_value(refunds)?)
    }
}

/// A purchase to be.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = purchases)]
pub struct NewPurchase {
    pub user_id: Uuid,
    pub product_id: Uuid,
    pub product_details: serde_json::Value,
    pub subtotal_in_cents: i32,
    pub discount_in_cents: i32,
    pub price_paid_in_cents: i32,
    pub currency: String,
    pub checkout_id: Option<Uuid>,
    pub stripe_session_id: Option<String>,
    pub stripe_payment_intent_id: Option<String>,
    pub flags: Vec<String>,
}

/// What is learned from Stripe after the payment. `None` keeps what is known.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = purchases)]
pub struct PaymentFacts {
    pub receipt_url: Option<String>,
    pub receipt_checked_at: Option<DateTime<Utc>>,
    pub card_country: Option<String>,
}

/// Writes a new purchase.
pub fn insert(conn: &mut PgConnection, new: &NewPurchase) -> QueryResult<Uuid> {
    diesel::insert_into(purchases::table)
        .values(new)
        .returning(purchases::id)
        .get_result(conn)
}

/// Whether this person holds the product: bought or claimed, with access that still comes from it. Who paid too little,
/// was refunded, or disputes the payment, does not.
pub fn is_owned(conn: &mut PgConnection, user_id: Uuid, product_id: Uuid) -> QueryResult<bool> {
    let live = access_grants::table
        .inner_join(purchases::table)
        .filter(
            purchases::user_id
                .eq(user_id)
                .and(purchases::product_id.eq(product_id)),
        )
        .filter(access_grants::ended_at.is_null());
    diesel::select(exists(live)).get_result(conn)
}

/// A page of somebody's history, newest first.
pub fn page_of_user(
    conn: &mut PgConnection,
    user_id: Uuid,
    after: Option<Cursor<DateTime<Utc>>>,
    size: SliceSize,
) -> QueryResult<Slice<PurchaseRow>> {
    let mine = || PurchaseRow::query().filter(purchases::user_id.eq(user_id));
    let rows = after!(mine().into_boxed(), purchases::created_at, after, desc)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || mine().count().get_result(conn))
}

/// All purchases of a person, newest first.
pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<PurchaseRow>> {
    PurchaseRow::query()
        .filter(purchases::user_id.eq(user_id))
        .order((purchases::created_at.desc(), purchases::id))
        .load(conn)
}

/// A purchase of this person.
pub fn find_of_user(conn: &mut PgConnection, id: Uuid, user_id: Uuid) -> QueryResult<PurchaseRow> {
    PurchaseRow::query()
        .filter(purchases::id.eq(id).and(purchases::user_id.eq(user_id)))
        .first(conn)
}

/// Any purchase.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<PurchaseRow> {
    PurchaseRow::query()
        .filter(purchases::id.eq(id))
        .first(conn)
}

/// The purchase of a payment at Stripe.
pub fn find_of_payment(
    conn: &mut PgConnection,
    payment_intent_id: &str,
) -> QueryResult<Option<Uuid>> {
    purchases::table
        .filter(purchases::stripe_payment_intent_id.eq(payment_intent_id))
        .select(purchases::id)
        .first(conn)
        .optional()
}

/// Who bought it.
pub fn buyer(conn: &mut PgConnection, id: Uuid) -> QueryResult<Uuid> {
    purchases::table
        .find(id)
        .select(purchases::user_id)
        .first(conn)
}

/// Locks a purchase: whatever changes its money comes one after the other. The buyer has to be locked first.
pub fn lock(conn: &mut PgConnection, id: Uuid) -> QueryResult<PurchaseRow> {
    PurchaseRow::query()
        .filter(purchases::id.eq(id))
        .for_no_key_update()
        .first(conn)
}

/// Where the money of a purchase is, as its refunds and disputes say.
#[derive(Debug, Clone, PartialEq, Eq, AsChangeset)]
#[diesel(table_name = purchases, treat_none_as_null = true)]
pub struct MoneyFacts {
    pub refunded_in_cents: i32,
    pub refunded_at: Option<DateTime<Utc>>,
    pub disputed_at: Option<DateTime<Utc>>,
}

/// Records where the money is. The purchase has to be locked.
pub fn record_money(conn: &mut PgConnection, id: Uuid, facts: &MoneyFacts) -> QueryResult<()> {
    diesel::update(purchases::table.find(id))
        .set(facts)
        .execute(conn)
        .map(drop)
}

/// Marks a purchase for the owner to look at, once.
pub fn flag(conn: &mut PgConnection, id: Uuid, flag: &str) -> QueryResult<()> {
    use diesel::dsl::array_append;
    let unmarked = purchases::table
        .find(id)
        .filter(diesel::dsl::not(purchases::flags.contains(vec![flag])));
    diesel::update(unmarked)
        .set(purchases::flags.eq(array_append(purchases::flags, flag)))
        .execute(conn)
        .map(drop)
}

/// Records what Stripe knows of the payment, unless the buyer was deleted: receipts name them.
pub fn record_payment(conn: &mut PgConnection, id: Uuid, facts: &PaymentFacts) -> QueryResult<()> {
    let is_alive = users::id
        .eq(purchases::user_id)
        .and(users::deleted_at.is_null());
    diesel::update(purchases::table.find(id))
        .filter(exists(users::table.filter(is_alive)))
        .set(facts)
        .execute(conn)
        .map(drop)
}

/// Forgets the receipts of somebody who was deleted: Stripe's pages name them.
pub fn forget_receipts(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<()> {
    diesel::update(purchases::table.filter(purchases::user_id.eq(user_id)))
        .set(purchases::receipt_url.eq(None::<String>))
        .execute(conn)
        .map(drop)
}

/// Which sales; `None` leaves a side open.
#[derive(Debug, Clone, Default)]
pub struct SalesFilter {
    pub user_id: Option<Uuid>,
    pub product_id: Option<Uuid>,
    pub status: Option<PurchaseStatus>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// A page of everybody's purchases, newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &SalesFilter,
    after: Option<Cursor<DateTime<Utc>>>,
    size: SliceSize,
) -> QueryResult<Slice<PurchaseRow>> {
    let matching = || {
        let mut query = PurchaseRow::query().into_boxed();
        if let Some(user_id) = filter.user_id {
            query = query.filter(purchases::user_id.eq(user_id));
        }
        if let Some(product_id) = filter.product_id {
            query = query.filter(purchases::product_id.eq(product_id));
        }
        query = match filter.status {
            None => query,
            Some(PurchaseStatus::Refunded) => query.filter(purchases::refunded_at.is_not_null()),
            Some(PurchaseStatus::Disputed) => query.filter(
                purchases::refunded_at
                    .is_null()
                    .and(purchases::disputed_at.is_not_null()),
            ),
            Some(PurchaseStatus::PartiallyRefunded) => query
                .filter(
                    purchases::refunded_at
                        .is_null()
                        .and(purchases::disputed_at.is_null()),
                )
                // Not a parameter: the partial index is only used when the planner sees its condition.
                .filter(sql::<Bool>("purchases.refunded_in_cents > 0")),
            Some(PurchaseStatus::Paid) => query
                .filter(
                    purchases::refunded_at
                        .is_null()
                        .and(purchases::disputed_at.is_null()),
                )
                .filter(purchases::refunded_in_cents.eq(0)),
        };
        within!(query, purchases::created_at, filter)
    };
    let rows = after!(matching(), purchases::created_at, after, desc)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}

/// Where the money of a purchase is. What went back, or is on its way, in full is `refunded`; else what a dispute holds,
/// open or lost, is `disputed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseStatus {
    Paid,
    PartiallyRefunded,
    Refunded,
    Disputed,
}

impl PurchaseRow {
    /// Where its money is.
    pub const fn status(&self) -> PurchaseStatus {
        if self.refunded_at.is_some() {
            PurchaseStatus::Refunded
        } else if self.disputed_at.is_some() {
            PurchaseStatus::Disputed
        } else if self.refunded_in_cents > 0 {
            PurchaseStatus::PartiallyRefunded
        } else {
            PurchaseStatus::Paid
        }
    }
}
