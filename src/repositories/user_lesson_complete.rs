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
}

/// Whether a learner may open the lesson's course; `None` for a lesson that counts for nobody.
#[derive(Debug, Clone, Copy, QueryableByName)]
struct Judged {
    #[diesel(sql_type = Nullable<Bool>)]
    may_complete: Option<bool>,
}

/// Ticks lessons off and unticks them, as far as each learner may, in one statement; again changes nothing. No learner
/// and lesson may come twice. Returns for each in its order whether the learner may; `None` when the lesson counts for
/// nobody.
pub fn set(conn: &mut PgConnection, ticks: &[Tick]) -> QueryResult<Vec<Option<bool>>> {
    let learners: Vec<_> = ticks.iter().map(|tick| tick.user_id).collect();
    let lessons: Vec<_> = ticks.iter().map(|tick| tick.lesson_id).collect();
    let completed: Vec<_> = ticks.iter().map(|tick| tick.completed).collect();
    let statement = diesel::sql_query(include_str!("set_ticks.sql"))
        .bind::<Array<SqlUuid>, _>(learners)
        .bind::<Array<SqlUuid>, _>(lessons)
        .bind::<Array<Bool>, _>(completed);
    let judged: Vec<Judged> = Prepared(statement).load(conn)?;
    Ok(judged.iter().map(|judged| judged.may_complete).collect())
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
