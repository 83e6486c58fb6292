//! `webhook_events`: the inbox.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::dsl::{case_when, exists, now, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text, Timestamptz};
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::domain::enums::{WebhookEventStatus, WebhookProvider};
use crate::domain::slice::{Slice, SliceSize};
use crate::schema::webhook_events;

/// An event as received.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = webhook_events)]
pub struct NewWebhookEvent {
    pub provider: WebhookProvider,
    pub event_id: String,
    #[diesel(column_name = type_)]
    pub kind: String,
    pub payload: serde_json::Value,
}

/// An event to work on.
#[derive(Debug, Clone, HasQuery, QueryableByName)]
#[diesel(table_name = webhook_events)]
pub struct WebhookEventWork {
    pub id: Uuid,
    pub provider: WebhookProvider,
    pub event_id: String,
    #[diesel(column_name = type_)]
    pub kind: String,
    pub payload: Option<serde_json::Value>,
    pub attempts: i32,
}

/// An event as the owner sees it.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = webhook_events)]
pub struct WebhookEventRow {
    pub id: Uuid,
    pub provider: WebhookProvider,
    pub event_id: String,
    #[diesel(column_name = type_)]
    pub kind: String,
    pub status: WebhookEventStatus,
    pub attempts: i32,
    pub created_at: DateTime<Utc>,
    pub processed_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
}

/// Stores an event, or finds that it is there. One that failed and waits becomes due at once: its sender asks again.
pub fn store(conn: &mut PgConnection, new: &NewWebhookEvent) -> QueryResult<()> {
    use diesel::query_dsl::methods::FilterDsl;
    diesel::insert_into(webhook_events::table)
        .values(new)
        .on_conflict((webhook_events::provider, webhook_events::event_id))
        .do_update()
        .set(webhook_events::due_at.eq(now))
        .filter(
            webhook_events::status
                .eq(WebhookEventStatus::Received)
                .and(webhook_events::last_error.is_not_null()),
        )
        .execute(conn)
        .map(drop)
}

/// Stores the events that are not there yet. Returns how many those were.
pub fn store_missing(conn: &mut PgConnection, events: &[NewWebhookEvent]) -> QueryResult<usize> {
    diesel::insert_into(webhook_events::table)
        .values(events)
        .on_conflict_do_nothing()
        .execute(conn)
}

/// Takes up to `limit` due events in work: nobody else gets them until the lease ends.
pub fn claim(
    conn: &mut PgConnection,
    lease: Duration,
    limit: i64,
) -> QueryResult<Vec<WebhookEventWork>> {
    diesel::sql_query(include_str!("claim_webhook_events.sql"))
        .bind::<Double, _>(lease.as_secs_f64())
        .bind::<BigInt, _>(limit)
        .load(conn)
}

/// Gives back events that were taken and not begun.
pub fn release(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<()> {
    let taken = webhook_events::table.filter(
        webhook_events::id
            .eq_any(ids)
            .and(webhook_events::status.eq(WebhookEventStatus::Received)),
    );
    diesel::update(taken)
        .set((
            webhook_events::attempts.eq(webhook_events::attempts - 1),
            webhook_events::due_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

/// Locks an event, and tells whether it is still to be handled: somebody else may have been faster.
pub fn lock_received(conn: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
    let locked = webhook_events::table
        .filter(
            webhook_events::id
                .eq(id)
                .and(webhook_events::status.eq(WebhookEventStatus::Received)),
        )
        .select(webhook_events::id)
        .for_no_key_update()
        .first::<Uuid>(conn);
    locked.optional().map(|id| id.is_some())
}

/// Locks the events about a payment that were ignored because it was not booked, in the order in which they came. One
/// that somebody else works on is left to them.
pub fn lock_ignored_of_payment(
    conn: &mut PgConnection,
    payment_intent_id: &str,
) -> QueryResult<Vec<WebhookEventWork>> {
    // As in webhook_events_payment_intent_idx.
    let payment_intent = sql::<Nullable<Text>>(
        "coalesce(payload #>> '{data,object,payment_intent,id}', payload #>> '{data,object,payment_intent}')",
    );
    WebhookEventWork::query()
        .filter(sql::<Bool>("provider = 'stripe' AND status = 'ignored'"))
        .filter(payment_intent.eq(payment_intent_id))
        .order((webhook_events::created_at, webhook_events::id))
        .for_no_key_update()
        .skip_locked()
        .load(conn)
}

/// Marks an event as handled, in the transaction of its effect. `note` says why one was ignored. What Clerk told of a
/// person is not kept twice: the payload goes once it was taken over.
pub fn finish(
    conn: &mut PgConnection,
    id: Uuid,
    status: WebhookEventStatus,
    note: Option<&str>,
) -> QueryResult<()> {
    diesel::update(webhook_events::table.find(id))
        .set((
            webhook_events::status.eq(status),
            webhook_events::processed_at.eq(now),
            webhook_events::last_error.eq(note),
            webhook_events::payload.eq(case_when(
                webhook_events::provider.eq(WebhookProvider::Stripe),
                webhook_events::payload,
            )),
        ))
        .execute(conn)
        .map(drop)
}

/// Forgets what Clerk told of a person who was deleted, where it still waits. What is in work just now is forgotten
/// when it is done.
pub fn forget_person(conn: &mut PgConnection, clerk_user_id: &str) -> QueryResult<()> {
    diesel::sql_query(
        "UPDATE webhook_events SET payload = NULL WHERE id IN (
             SELECT id FROM webhook_events
             WHERE provider = 'clerk' AND status IN ('received', 'dead') AND payload #>> '{data,id}' = $1
             FOR NO KEY UPDATE SKIP LOCKED
         )",
    )
    .bind::<diesel::sql_types::Text, _>(clerk_user_id)
    .execute(conn)
    .map(drop)
}

/// Records a failure: due again at that time, or dead when there is none.
pub fn fail(
    conn: &mut PgConnection,
    id: Uuid,
    error: &str,
    again_at: Option<DateTime<Utc>>,
) -> QueryResult<()> {
    let waiting = webhook_events::table.filter(
        webhook_events::id
            .eq(id)
            .and(webhook_events::status.eq(WebhookEventStatus::Received)),
    );
    match again_at {
        Some(at) => diesel::update(waiting)
            .set((
                webhook_events::last_error.eq(error),
                webhook_events::due_at.eq(at),
            ))
            .execute(conn),
        None => diesel::update(waiting)
            .set((
                webhook_events::last_error.eq(error),
                webhook_events::status.eq(WebhookEventStatus::Dead),
            ))
            .execute(conn),
    }
    .map(drop)
}

/// Throws away the payloads of up to `limit` events each that were handled, or given up, before these times.
pub fn forget_payloads(
    conn: &mut PgConnection,
    handled_before: DateTime<Utc>,
    given_up_before: DateTime<Utc>,
    limit: i64,
) -> QueryResult<usize> {
    diesel::sql_query(include_str!("forget_payloads.sql"))
        .bind::<Timestamptz, _>(handled_before)
        .bind::<Timestamptz, _>(given_up_before)
        .bind::<BigInt, _>(limit)
        .execute(conn)
}

/// Whether any event has waited longer than this.
pub fn lags(conn: &mut PgConnection, since: DateTime<Utc>) -> QueryResult<bool> {
    let late = webhook_events::table.filter(
        webhook_events::status
            .eq(WebhookEventStatus::Received)
            .and(webhook_events::due_at.lt(since)),
    );
    diesel::select(exists(late)).get_result(conn)
}

/// Which events; `None` leaves a side open.
#[derive(Debug, Clone, Default)]
pub struct WebhookEventFilter {
    pub provider: Option<WebhookProvider>,
    pub status: Option<WebhookEventStatus>,
    pub kind: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// A page of the inbox, newest first.
pub fn page(
    conn: &mut PgConnection,
    filter: &WebhookEventFilter,
    after: Option<Cursor<DateTime<Utc>>>,
    size: SliceSize,
) -> QueryResult<Slice<WebhookEventRow>> {
    let matching = || {
        let mut query = WebhookEventRow::query().into_boxed();
        if let Some(provider) = filter.provider {
            query = query.filter(webhook_events::provider.eq(provider));
        }
        if let Some(status) = filter.status {
            query = query.filter(webhook_events::status.eq(status));
        }
        if let Some(kind) = &filter.kind {
            query = query.filter(webhook_events::type_.eq(kind));
        }
        within!(query, webhook_events::created_at, filter)
    };
    let rows = after!(matching(), webhook_events::created_at, after, desc)
        .limit(size.to_read())
        .load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}

/// An event of the inbox.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<WebhookEventRow> {
    WebhookEventRow::query()
        .filter(webhook_events::id.eq(id))
        .first(conn)
}

/// Has an event worked on once more, whatever became of it; `None` when its payload is gone.
pub fn replay(conn: &mut PgConnection, id: Uuid) -> QueryResult<Option<WebhookEventRow>> {
    let kept = webhook_events::table.filter(
        webhook_events::id
            .eq(id)
            .and(webhook_events::payload.is_not_null()),
    );
    diesel::sql_query("NOTIFY lectern_inbox").execute(conn)?;
    diesel::update(kept)
        .set((
            webhook_events::status.eq(WebhookEventStatus::Received),
            webhook_events::attempts.eq(0),
            webhook_events::due_at.eq(now),
            webhook_events::processed_at.eq(None::<DateTime<Utc>>),
            webhook_events::last_error.eq(None::<String>),
        ))
        .returning(WebhookEventRow::as_returning())
        .get_result(conn)
        .optional()
}
