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

/// Gives the turn back. `None` for the events means that Stripe could not tell them.
pub fn finish(
    conn: &mut PgConnection,
    stripe_events_until: Option<DateTime<Utc>>,
    next_due_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(reconciler::table)
        .set((
            stripe_events_until.map(|until| reconciler::stripe_events_until.eq(until)),
            reconciler::due_at.eq(next_due_at),
            reconciler::lease_until.eq(now),
        ))
        .execute(conn)
        .map(drop)
}
