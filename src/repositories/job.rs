//! `jobs`: the outbox.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::enums::JobStatus;
use crate::schema::jobs;

/// A job to work on.
#[derive(Debug, Clone, HasQuery)]
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
pub fn claim(conn: &mut PgConnection, lease: TimeDelta, limit: i64) -> QueryResult<Vec<JobRow>> {
    let ids: Vec<Uuid> = jobs::table
        .filter(
            jobs::status
                .eq(JobStatus::Pending)
                .and(jobs::due_at.le(now)),
        )
        .order(jobs::due_at)
        .limit(limit)
        .select(jobs::id)
        .for_no_key_update()
        .skip_locked()
        .load(conn)?;
    diesel::update(jobs::table.filter(jobs::id.eq_any(ids)))
        .set((
            jobs::attempts.eq(jobs::attempts + 1),
            jobs::due_at.eq(Utc::now() + lease),
        ))
        .returning(JobRow::as_returning())
        .get_results(conn)
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
    match again_at {
        Some(at) => diesel::update(jobs::table.find(id))
            .set((jobs::last_error.eq(error), jobs::due_at.eq(at)))
            .execute(conn),
        None => diesel::update(jobs::table.find(id))
            .set((jobs::last_error.eq(error), jobs::status.eq(JobStatus::Dead)))
            .execute(conn),
    }
    .map(drop)
}
