//! `purchases`: what was paid or claimed.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::schema::{access_grants, purchases};

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
    pub card_country: Option<String>,
    pub flags: Vec<Option<String>>,
    pub refunded_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
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
/// or was refunded, does not.
pub fn is_owned(conn: &mut PgConnection, user_id: Uuid, product_id: Uuid) -> QueryResult<bool> {
    let live = access_grants::table
        .inner_join(purchases::table)
        .filter(
            purchases::user_id
                .eq(user_id)
                .and(purchases::product_id.eq(product_id)),
        )
        .filter(
            purchases::refunded_at
                .is_null()
                .and(access_grants::ended_at.is_null()),
        );
    diesel::select(exists(live)).get_result(conn)
}

/// A page of somebody's history, newest first.
pub fn page_of_user(
    conn: &mut PgConnection,
    user_id: Uuid,
    after: Option<Cursor<DateTime<Utc>>>,
    limit: i64,
) -> QueryResult<Vec<PurchaseRow>> {
    let query = PurchaseRow::query()
        .filter(purchases::user_id.eq(user_id))
        .into_boxed();
    after!(query, purchases::created_at, after, desc)
        .limit(limit)
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

/// Records what Stripe knows of the payment.
pub fn record_payment(conn: &mut PgConnection, id: Uuid, facts: &PaymentFacts) -> QueryResult<()> {
    diesel::update(purchases::table.find(id))
        .set(facts)
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
    limit: i64,
) -> QueryResult<Vec<PurchaseRow>> {
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
        Some(PurchaseStatus::PartiallyRefunded) => query.filter(
            purchases::refunded_at
                .is_null()
                // Not a parameter: the partial index is only used when the planner sees its condition.
                .and(sql::<Bool>("purchases.refunded_in_cents > 0")),
        ),
        Some(PurchaseStatus::Paid) => query.filter(
            purchases::refunded_at
                .is_null()
                .and(purchases::refunded_in_cents.eq(0)),
        ),
    };
    if let Some(from) = filter.from {
        query = query.filter(purchases::created_at.ge(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(purchases::created_at.lt(to));
    }
    after!(query, purchases::created_at, after, desc)
        .limit(limit)
        .load(conn)
}

/// Where the money of a purchase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseStatus {
    Paid,
    PartiallyRefunded,
    Refunded,
}

impl PurchaseRow {
    /// Where its money is.
    pub const fn status(&self) -> PurchaseStatus {
        if self.refunded_at.is_some() {
            PurchaseStatus::Refunded
        } else if self.refunded_in_cents > 0 {
            PurchaseStatus::PartiallyRefunded
        } else {
            PurchaseStatus::Paid
        }
    }
}
