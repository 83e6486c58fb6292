//! `user_lesson_complete`: lessons that were ticked off.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use uuid::Uuid;

use crate::domain::enums::{CourseSectionStatus, LessonStatus};
use crate::schema::{course_sections, lessons, user_lesson_complete};

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
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(user_id)
        .bind::<SqlUuid, _>(lesson_id)
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

/// One line of the player's outline: a section, and as far as it has them, a lesson and whether it is done.
#[derive(Debug, Clone, Queryable)]
pub struct PlayerLine {
    pub section: (Uuid, String, CourseSectionStatus),
    pub lesson: Option<(Uuid, String, LessonStatus)>,
    pub completed: bool,
}

/// A course's outline with a learner's ticks, in order. With `all`, private parts are there too, for the owner.
pub fn player_outline(
    conn: &mut PgConnection,
    user_id: Uuid,
    course_id: Uuid,
    all: bool,
) -> QueryResult<Vec<PlayerLine>> {
    let visible_lessons = lessons::table.on(lessons::section_id
        .eq(course_sections::id)
        .and(lessons::deleted_at.is_null())
        .and(
            lessons::status
                .ne(LessonStatus::Private)
                .or(all.into_sql::<Bool>()),
        ));
    let ticks = user_lesson_complete::table.on(user_lesson_complete::lesson_id
        .eq(lessons::id)
        .and(user_lesson_complete::user_id.eq(user_id)));
    course_sections::table
        .left_join(visible_lessons)
        .left_join(ticks)
        .filter(
            course_sections::course_id
                .eq(course_id)
                .and(course_sections::deleted_at.is_null()),
        )
        .filter(
            course_sections::status
                .eq(CourseSectionStatus::Public)
                .or(all.into_sql::<Bool>()),
        )
        .order((course_sections::order, lessons::order))
        .select((
            (
                course_sections::id,
                course_sections::name,
                course_sections::status,
            ),
            (lessons::id, lessons::name, lessons::status).nullable(),
            user_lesson_complete::lesson_id.nullable().is_not_null(),
        ))
        .load(conn)
}
