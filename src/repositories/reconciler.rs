//! `reconciler`: how far the passes against Stripe and Clerk have come, and whose turn it is.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::dsl::now;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::schema::reconciler;

/// Where a pass begins.
#[derive(Debug, Clone, Copy, HasQuery)]
#[diesel(table_name = reconciler)]
pub struct Turn {
    /// Every event that Stripe made before this is in the inbox; `None` before the first pass.
    pub stripe_events_until: Option<DateTime<Utc>>,
    /// Whatever changed at Clerk before this is known.
    pub clerk_users_until: Option<DateTime<Utc>>,
    /// When it was last looked who is gone at Clerk.
    pub clerk_swept_at: Option<DateTime<Utc>>,
}

/// How far a pass has come. `None` for what a provider did not tell.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = reconciler)]
pub struct Progress {
    due_at: DateTime<Utc>,
    lease_until: DateTime<Utc>,
    pub stripe_events_until: Option<DateTime<Utc>>,
    pub clerk_users_until: Option<DateTime<Utc>>,
    pub clerk_swept_at: Option<DateTime<Utc>>,
}

impl Progress {
    /// A pass that ends now; the clock makes the next one then.
    pub fn until(due_at: DateTime<Utc>) -> Self {
        Self {
            due_at,
            lease_until: Utc::now(),
            stripe_events_until: None,
            clerk_users_until: None,
            clerk_swept_at: None,
        }
    }
}

/// Takes the turn, when nobody else has it: nobody gets it until the lease ends. `only_when_due` keeps to the schedule.
pub fn begin(
    conn: &mut PgConnection,
    only_when_due: bool,
    lease: TimeDelta,
) -> QueryResult<Option<Turn>> {
    let is_due = reconciler::due_at
        .le(now)
        .or((!only_when_due).into_sql::<Bool>());
    diesel::update(reconciler::table.filter(reconciler::lease_until.le(now).and(is_due)))
        .set(reconciler::lease_until.eq(Utc::now() + lease))
        .returning(Turn::as_returning())
        .get_result(conn)
        .optional()
}

/// Gives the turn back.
pub fn finish(conn: &mut PgConnection, progress: &Progress) -> QueryResult<()> {
    diesel::update(reconciler::table)
        .set(progress)
        .execute(conn)
        .map(drop)
}
