//! `user_lesson_complete`: lessons that were ticked off.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use uuid::Uuid;

use super::prepared::Prepared;
use crate::schema::user_lesson_complete;

/// Whether a lesson was ticked off or unticked: only by those who may open its course.
#[derive(Debug, Clone, Copy, QueryableByName)]
struct Ticking {
    #[diesel(sql_type = Bool)]
    may_complete: bool,
}

/// Ticks a lesson off, or unticks it, in one statement; again changes nothing. Returns whether the person may; a
/// lesson that counts for nobody is not found.
pub fn set(
    conn: &mut PgConnection,
    user_id: Uuid,
    lesson_id: Uuid,
    completed: bool,
) -> QueryResult<bool> {
    let statement = if completed {
        include_str!("complete_lesson.sql")
    } else {
        include_str!("uncomplete_lesson.sql")
    };
    let statement = diesel::sql_query(statement)
        .bind::<SqlUuid, _>(user_id)
        .bind::<SqlUuid, _>(lesson_id);
    Prepared(statement)
        .get_result::<Ticking>(conn)
        .map(|ticking| ticking.may_complete)
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
