//! `user_course_access`: who may open which course. Read here; written by the trigger on `access_grants`.

use diesel::dsl::exists;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::domain::slice::{Slice, SliceSize};
use crate::repositories::course::CourseRow;
use crate::schema::{courses, user_course_access};

/// A course that is not deleted, and whether this person may open it.
pub fn course_for(
    conn: &mut PgConnection,
    user_id: Uuid,
    course_id: Uuid,
) -> QueryResult<(CourseRow, bool)> {
    let access = user_course_access::table.filter(user_course_access::user_id.eq(user_id));
    courses::table
        .filter(courses::id.eq(course_id).and(courses::deleted_at.is_null()))
        .select((
            CourseRow::as_select(),
            exists(access.filter(user_course_access::course_id.eq(courses::id))),
        ))
        .first(conn)
}

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

/// A course that a learner holds, with the progress in it.
#[derive(Debug, Clone, QueryableByName)]
pub struct MyCourse {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub description: String,
    #[diesel(sql_type = BigInt)]
    pub section_count: i64,
    #[diesel(sql_type = BigInt)]
    pub lesson_count: i64,
    #[diesel(sql_type = BigInt)]
    pub completed_lesson_count: i64,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub next_lesson_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub next_lesson_name: Option<String>,
}

/// A page of the courses that a learner holds, by name.
pub fn my_courses(
    conn: &mut PgConnection,
    user_id: Uuid,
    after: Option<&Cursor<String>>,
    size: SliceSize,
) -> QueryResult<Slice<MyCourse>> {
    let rows = diesel::sql_query(include_str!("my_courses.sql"))
        .bind::<SqlUuid, _>(user_id)
        .bind::<Nullable<Text>, _>(after.map(|cursor| cursor.key.as_str()))
        .bind::<Nullable<SqlUuid>, _>(after.map(|cursor| cursor.id))
        .bind::<BigInt, _>(size.to_read())
        .load(conn)?;
    let count = || {
        user_course_access::table
            .inner_join(courses::table)
            .filter(
                user_course_access::user_id
                    .eq(user_id)
                    .and(courses::deleted_at.is_null()),
            )
            .count()
            .get_result(conn)
    };
    Slice::cut(rows, size, count)
}
