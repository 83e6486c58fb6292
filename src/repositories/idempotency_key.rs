//! `idempotency_keys`: requests that may be repeated without being done twice, and what they were answered.

use chrono::TimeDelta;
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{Bytea, Interval, Text, Uuid as SqlUuid};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::idempotency_keys;

/// How long an answer is kept under its key.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// A request under a key: whose, where, and what is asked for.
#[derive(Debug, Clone)]
pub struct KeyedRequest {
    pub user_id: Uuid,
    /// Method and path.
    pub route: String,
    pub key: String,
    /// A hash of query and body.
    pub fingerprint: Vec<u8>,
}

/// What is known of a key.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = idempotency_keys)]
pub struct IdempotencyKeyRow {
    pub fingerprint: Vec<u8>,
    pub status: Option<i32>,
    pub headers: Option<Value>,
    pub body: Option<Vec<u8>>,
}

/// An answer to be kept.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = idempotency_keys)]
pub struct KeptAnswer {
    pub status: i32,
    /// Name and value of each.
    pub headers: Value,
    pub body: Vec<u8>,
}

/// Takes a key for an attempt; `false` when it is held. A few that have expired go with it.
pub fn claim(conn: &mut PgConnection, request: &KeyedRequest, attempt: Uuid) -> QueryResult<bool> {
    purge_expired(conn, 10)?;
    let claimed = diesel::sql_query(include_str!("claim_idempotency_key.sql"))
        .bind::<SqlUuid, _>(request.user_id)
        .bind::<Text, _>(&request.route)
        .bind::<Text, _>(&request.key)
        .bind::<Bytea, _>(&request.fingerprint)
        .bind::<SqlUuid, _>(attempt)
        .bind::<Interval, _>(KEPT_FOR)
        .execute(conn)?;
    Ok(claimed > 0)
}

/// Who holds the key; `None` when it has been released.
pub fn find(
    conn: &mut PgConnection,
    request: &KeyedRequest,
) -> QueryResult<Option<IdempotencyKeyRow>> {
    IdempotencyKeyRow::query()
        .filter(idempotency_keys::user_id.eq(request.user_id))
        .filter(idempotency_keys::route.eq(&request.route))
        .filter(idempotency_keys::key.eq(&request.key))
        .first(conn)
        .optional()
}

/// Keeps the answer of an attempt; `false` when the attempt has lost the key, or has answered before.
pub fn keep(conn: &mut PgConnection, attempt: Uuid, answer: &KeptAnswer) -> QueryResult<bool> {
    let open = idempotency_keys::attempt
        .eq(attempt)
        .and(idempotency_keys::status.is_null());
    let kept = diesel::update(idempotency_keys::table.filter(open))
        .set(answer)
        .execute(conn)?;
    Ok(kept > 0)
}

/// Gives the key of an attempt free for a repetition of the same request, unless an answer is kept under it.
pub fn release(conn: &mut PgConnection, attempt: Uuid) -> QueryResult<()> {
    let open = idempotency_keys::attempt
        .eq(attempt)
        .and(idempotency_keys::status.is_null());
    diesel::update(idempotency_keys::table.filter(open))
        .set(idempotency_keys::locked_until.eq(now))
        .execute(conn)
        .map(drop)
}

/// Removes at most so many keys whose day is over, and says how many.
pub fn purge_expired(conn: &mut PgConnection, limit: i64) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY( \
             SELECT ctid FROM idempotency_keys WHERE expires_at <= now() \
             ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))",
    )
    .bind::<diesel::sql_types::BigInt, _>(limit)
    .execute(conn)
}

/// Forgets what a person was answered, and an owner about them: for those who are deleted.
pub fn forget(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM idempotency_keys
         WHERE user_id = $1 OR route = format('POST /v1/admin/users/%s/grants', $1)
            OR route IN (SELECT format('POST /v1/admin/purchases/%s/refunds', id) FROM purchases WHERE user_id = $1)",
    )
    .bind::<SqlUuid, _>(user_id)
    .execute(conn)
}
