//! `user_lesson_complete`: lessons that were ticked off.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Nullable, Uuid as SqlUuid};
use uuid::Uuid;

use super::prepared::Prepared;
use crate::schema::user_lesson_complete;

/// A lesson that a learner ticks off, or unticks.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    pub user_id: Uuid,
    pub lesson_id: Uuid,
    pub completed: bool,
    /// Whether it is known that the learner may, so that the database does not look.
    pub allowed: bool,
}

/// What became of a [`Tick`].
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Judged {
    /// Whether the learner may open the lesson's course; `None` for a lesson that counts for nobody.
    #[diesel(sql_type = Nullable<Bool>)]
    pub may_complete: Option<bool>,
    /// The course in which the lesson counts, as far as the database looked.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub course_id: Option<Uuid>,
}

/// Ticks lessons off and unticks them, as far as each learner may, in one statement; again changes nothing. No learner
/// and lesson may come twice. Returns what became of each, in their order.
pub fn set(conn: &mut PgConnection, ticks: &[Tick]) -> QueryResult<Vec<Judged>> {
    let learners: Vec<_> = ticks.iter().map(|tick| tick.user_id).collect();
    let lessons: Vec<_> = ticks.iter().map(|tick| tick.lesson_id).collect();
    let completed: Vec<_> = ticks.iter().map(|tick| tick.completed).collect();
    let allowed: Vec<_> = ticks.iter().map(|tick| tick.allowed).collect();
    let statement = diesel::sql_query(include_str!("set_ticks.sql"))
        .bind::<Array<SqlUuid>, _>(learners)
        .bind::<Array<SqlUuid>, _>(lessons)
        .bind::<Array<Bool>, _>(completed)
        .bind::<Array<Bool>, _>(allowed);
    Prepared(statement).load(conn)
}

/// The lessons that a person ticked off and when, newest first.
pub fn of_user(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<(Uuid, DateTime<Utc>)>> {
    user_lesson_complete::table
        .filter(user_lesson_complete::user_id.eq(user_id))
        .order((
            user_lesson_complete::created_at.desc(),
            user_lesson_complete::lesson_id,
        ))
        .select((
            user_lesson_complete::lesson_id,
            user_lesson_complete::created_at,
        ))
        .load(conn)
}

/// The lessons that a person ticked off, in the order of their ids.
pub fn lesson_ids(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<Vec<Uuid>> {
    user_lesson_complete::table
        .filter(user_lesson_complete::user_id.eq(user_id))
        .order(user_lesson_complete::lesson_id)
        .select(user_lesson_complete::lesson_id)
        .load(conn)
}
