//! `user_lesson_complete`: lessons that were ticked off.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use crate::domain::enums::{CourseSectionStatus, LessonStatus};
use crate::schema::{course_sections, courses, lessons, user_course_access, user_lesson_complete};

/// A lesson that counts toward progress, and whether this person may open its course; not found otherwise.
pub fn may_complete(conn: &mut PgConnection, user_id: Uuid, lesson_id: Uuid) -> QueryResult<bool> {
    let access = user_course_access::table.filter(user_course_access::user_id.eq(user_id));
    lessons::table
        .inner_join(course_sections::table.inner_join(courses::table))
        .filter(lessons::id.eq(lesson_id))
        .filter(lessons::status.ne(LessonStatus::Private))
        .filter(course_sections::status.eq(CourseSectionStatus::Public))
        .filter(lessons::deleted_at.is_null())
        .filter(course_sections::deleted_at.is_null())
        .filter(courses::deleted_at.is_null())
        .select(exists(
            access.filter(user_course_access::course_id.eq(courses::id)),
        ))
        .first(conn)
}

/// Ticks a lesson off; again changes nothing.
pub fn insert(conn: &mut PgConnection, user_id: Uuid, lesson_id: Uuid) -> QueryResult<()> {
    diesel::insert_into(user_lesson_complete::table)
        .values((
            user_lesson_complete::user_id.eq(user_id),
            user_lesson_complete::lesson_id.eq(lesson_id),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .map(drop)
}

/// Unticks a lesson; again changes nothing.
pub fn delete(conn: &mut PgConnection, user_id: Uuid, lesson_id: Uuid) -> QueryResult<()> {
    diesel::delete(user_lesson_complete::table.find((user_id, lesson_id)))
        .execute(conn)
        .map(drop)
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
