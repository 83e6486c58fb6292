//! `user_course_access`: who may open which course. Read here; written by the trigger on `access_grants`.

use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::schema::{courses, user_course_access};

/// Those of the courses that this person may open already: id and name.
pub fn overlap(
    conn: &mut PgConnection,
    user_id: Uuid,
    course_ids: &[Uuid],
) -> QueryResult<Vec<(Uuid, String)>> {
    user_course_access::table
        .inner_join(courses::table)
        .filter(
            user_course_access::user_id
                .eq(user_id)
                .and(courses::id.eq_any(course_ids)),
        )
        .order((courses::name, courses::id))
        .select((courses::id, courses::name))
        .load(conn)
}

/// A course that a learner holds.
#[derive(Debug, Clone, Copy, Queryable)]
pub struct HeldCourse {
    pub id: Uuid,
    pub is_live: bool,
    /// Whether it comes after the place that was asked for.
    pub is_behind: bool,
}

/// All courses that a learner holds, by name, and which of them come after a place.
pub fn held(
    conn: &mut PgConnection,
    user_id: Uuid,
    after: Option<&Cursor<String>>,
) -> QueryResult<Vec<HeldCourse>> {
    // No name is empty, so that everything comes after this one.
    let start = ("", Uuid::nil());
    let (name, id) = after.map_or(start, |cursor| (cursor.key.as_str(), cursor.id));
    let is_next = courses::name.eq(name).and(courses::id.gt(id));
    user_course_access::table
        .inner_join(courses::table)
        .filter(user_course_access::user_id.eq(user_id))
        .order((courses::name, courses::id))
        .select((
            courses::id,
            courses::deleted_at.is_null(),
            courses::name.gt(name).or(is_next),
        ))
        .load(conn)
}
