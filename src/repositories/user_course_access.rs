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

/// The courses that a learner holds, and whether they are live, by name, from a place on.
pub fn held(
    conn: &mut PgConnection,
    user_id: Uuid,
    after: Option<&Cursor<String>>,
) -> QueryResult<Vec<(Uuid, bool)>> {
    let mut held = user_course_access::table
        .inner_join(courses::table)
        .filter(user_course_access::user_id.eq(user_id))
        .select((courses::id, courses::deleted_at.is_null()))
        .into_boxed();
    held = after!(held, courses::name, after.cloned(), asc);
    held.load(conn)
}

/// How many live courses a learner holds.
pub fn count_held(conn: &mut PgConnection, user_id: Uuid) -> QueryResult<i64> {
    user_course_access::table
        .inner_join(courses::table)
        .filter(user_course_access::user_id.eq(user_id))
        .filter(courses::deleted_at.is_null())
        .count()
        .get_result(conn)
}
