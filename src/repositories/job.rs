//! `jobs`: the outbox.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Timestamptz};
use uuid::Uuid;

use crate::domain::enums::JobStatus;
use crate::schema::jobs;

/// A job to work on.
#[derive(Debug, Clone, QueryableByName)]
#[diesel(table_name = jobs)]
pub struct JobRow {
    pub id: Uuid,
    pub kind: String,
    pub payload: serde_json::Value,
    pub attempts: i32,
}

/// Adds a job, in the transaction that needs it.
pub fn insert(conn: &mut PgConnection, payload: &serde_json::Value) -> QueryResult<()> {
    diesel::insert_into(jobs::table)
        .values(jobs::payload.eq(payload))
        .execute(conn)
        .map(drop)
}

/// Takes up to `limit` due jobs in work: nobody else gets them until the lease ends.
pub fn claim(conn: &mut PgConnection, lease: Duration, limit: i64) -> QueryResult<Vec<JobRow>> {
    diesel::sql_query(include_str!("claim_jobs.sql"))
        .bind::<Double, _>(lease.as_secs_f64())
        .bind::<BigInt, _>(limit)
        .load(conn)
}

/// Gives back jobs that were taken and not begun.
pub fn release(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<()> {
    let taken = jobs::table.filter(
        jobs::id
            .eq_any(ids)
            .and(jobs::status.eq(JobStatus::Pending)),
    );
    diesel::update(taken)
        .set((jobs::attempts.eq(jobs::attempts - 1), jobs::due_at.eq(now)))
        .execute(conn)
        .map(drop)
}

/// Marks a job as done.
pub fn finish(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    diesel::update(jobs::table.find(id))
        .set((
            jobs::status.eq(JobStatus::Done),
            jobs::finished_at.eq(now),
            jobs::last_error.eq(None::<String>),
        ))
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
    let pending = jobs::table.filter(jobs::id.eq(id).and(jobs::status.eq(JobStatus::Pending)));
    match again_at {
        Some(at) => diesel::update(pending)
            .set((jobs::last_error.eq(error), jobs::due_at.eq(at)))
            .execute(conn),
        None => diesel::update(pending)
            .set((jobs::last_error.eq(error), jobs::status.eq(JobStatus::Dead)))
            .execute(conn),
    }
    .map(drop)
}

/// Removes up to `limit` jobs that were done before this time.
pub fn remove_done(
    conn: &mut PgConnection,
    done_before: DateTime<Utc>,
    limit: i64,
) -> QueryResult<usize> {
    diesel::sql_query(include_str!("remove_done_jobs.sql"))
        .bind::<Timestamptz, _>(done_before)
        .bind::<BigInt, _>(limit)
        .execute(conn)
}
