//! `webhook_events`: the inbox.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::{case_when, exists, now, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use uuid::Uuid;

use crate::domain::enums::{WebhookEventStatus, WebhookProvider};
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
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = webhook_events)]
pub struct WebhookEventRow {
    pub id: Uuid,
    pub provider: WebhookProvider,
    pub event_id: String,
    #[diesel(column_name = type_)]
    pub kind: String,
    pub status: WebhookEventStatus,
    pub payload: Option<serde_json::Value>,
    pub attempts: i32,
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
    lease: TimeDelta,
    limit: i64,
) -> QueryResult<Vec<WebhookEventRow>> {
    let due = webhook_events::table
        .filter(
            webhook_events::status
                .eq(WebhookEventStatus::Received)
                .and(webhook_events::due_at.le(now)),
        )
        .order(webhook_events::due_at)
        .limit(limit)
        .select(webhook_events::id)
        .for_no_key_update()
        .skip_locked();
    let ids: Vec<Uuid> = due.load(conn)?;
    diesel::update(webhook_events::table.filter(webhook_events::id.eq_any(ids)))
        .set((
            webhook_events::attempts.eq(webhook_events::attempts + 1),
            webhook_events::due_at.eq(Utc::now() + lease),
            webhook_events::last_error.eq(None::<String>),
        ))
        .returning(WebhookEventRow::as_returning())
        .get_results(conn)
}

/// Locks an event that is still to be handled; `None` when somebody else was faster.
pub fn lock_received(conn: &mut PgConnection, id: Uuid) -> QueryResult<Option<WebhookEventRow>> {
    WebhookEventRow::query()
        .filter(
            webhook_events::id
                .eq(id)
                .and(webhook_events::status.eq(WebhookEventStatus::Received)),
        )
        .for_no_key_update()
        .first(conn)
        .optional()
}

/// Locks the events about a payment that were ignored because it was not booked, in the order in which they came. One
/// that somebody else works on is left to them.
pub fn lock_ignored_of_payment(
    conn: &mut PgConnection,
    payment_intent_id: &str,
) -> QueryResult<Vec<WebhookEventRow>> {
    // As in webhook_events_payment_intent_idx.
    let payment_intent = sql::<Nullable<Text>>(
        "coalesce(payload #>> '{data,object,payment_intent,id}', payload #>> '{data,object,payment_intent}')",
    );
    WebhookEventRow::query()
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

/// Whether any event has waited longer than this.
pub fn lags(conn: &mut PgConnection, since: DateTime<Utc>) -> QueryResult<bool> {
    let late = webhook_events::table.filter(
        webhook_events::status
            .eq(WebhookEventStatus::Received)
            .and(webhook_events::due_at.lt(since)),
    );
    diesel::select(exists(late)).get_result(conn)
}
