//! `course_sections`: the parts of a course, in their order.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, max, now};
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::enums::CourseSectionStatus;
use crate::repositories::course;
use crate::schema::{course_sections, courses};

/// A section. `order` is its stored place; readers number the live ones.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = course_sections)]
pub struct CourseSectionRow {
    pub id: Uuid,
    pub name: String,
    pub status: CourseSectionStatus,
    pub order: i32,
    pub course_id: Uuid,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A section to be.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = course_sections)]
pub struct NewCourseSection {
    pub name: String,
    pub status: CourseSectionStatus,
    pub order: i32,
    pub course_id: Uuid,
}

/// Changes; `None` keeps.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = course_sections)]
pub struct CourseSectionChanges {
    pub name: Option<String>,
    pub status: Option<CourseSectionStatus>,
}

/// A section, deleted or not.
pub fn find_any(conn: &mut PgConnection, id: Uuid) -> QueryResult<CourseSectionRow> {
    CourseSectionRow::query()
        .filter(course_sections::id.eq(id))
        .first(conn)
}

/// The sections of a course, in order, deleted ones among them.
pub fn all_of_course(
    conn: &mut PgConnection,
    course_id: Uuid,
) -> QueryResult<Vec<CourseSectionRow>> {
    CourseSectionRow::query()
        .filter(course_sections::course_id.eq(course_id))
        .order(course_sections::order)
        .load(conn)
}

/// The live sections of a course, in order.
pub fn of_course(conn: &mut PgConnection, course_id: Uuid) -> QueryResult<Vec<CourseSectionRow>> {
    CourseSectionRow::query()
        .filter(
            course_sections::course_id
                .eq(course_id)
                .and(course_sections::deleted_at.is_null()),
        )
        .order(course_sections::order)
        .load(conn)
}

/// A live section of a live course.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<CourseSectionRow> {
    course_sections::table
        .inner_join(courses::table)
        .filter(course_sections::id.eq(id))
        .filter(
            course_sections::deleted_at
                .is_null()
                .and(courses::deleted_at.is_null()),
        )
        .select(CourseSectionRow::as_select())
        .first(conn)
}

/// Locks a live section of a live course: whoever adds or moves its lessons comes after another.
pub fn lock(conn: &mut PgConnection, id: Uuid) -> QueryResult<CourseSectionRow> {
    let course = courses::table.filter(courses::id.eq(course_sections::course_id));
    CourseSectionRow::query()
        .filter(exists(course.filter(courses::deleted_at.is_null())))
        .filter(
            course_sections::id
                .eq(id)
                .and(course_sections::deleted_at.is_null()),
        )
        .for_no_key_update()
        .first(conn)
}

/// The place after the last one, deleted sections included. The course has to be locked.
pub fn next_order(conn: &mut PgConnection, course_id: Uuid) -> QueryResult<i32> {
    let last: Option<i32> = course_sections::table
        .filter(course_sections::course_id.eq(course_id))
        .select(max(course_sections::order))
        .first(conn)?;
    Ok(last.map_or(0, |order| order + 1))
}

/// How many live sections of the course come before this place.
pub fn position(conn: &mut PgConnection, section: &CourseSectionRow) -> QueryResult<i64> {
    course_sections::table
        .filter(course_sections::course_id.eq(section.course_id))
        .filter(
            course_sections::deleted_at
                .is_null()
                .and(course_sections::order.lt(section.order)),
        )
        .count()
        .get_result(conn)
}

/// Writes a new section.
pub fn insert(conn: &mut PgConnection, new: &NewCourseSection) -> QueryResult<CourseSectionRow> {
    diesel::insert_into(course_sections::table)
        .values(new)
        .returning(CourseSectionRow::as_returning())
        .get_result(conn)
}

/// Changes a live section. An empty change only reads it.
pub fn update(
    conn: &mut PgConnection,
    id: Uuid,
    changes: &CourseSectionChanges,
) -> QueryResult<CourseSectionRow> {
    let section = find(conn, id)?;
    if changes.name.is_none() && changes.status.is_none() {
        return Ok(section);
    }
    diesel::update(course_sections::table.find(id))
        .set(changes)
        .returning(CourseSectionRow::as_returning())
        .get_result(conn)
}

/// Hides a section and its lessons.
pub fn soft_delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    let section = find(conn, id)?;
    course::lock(conn, section.course_id)?;
    diesel::update(course_sections::table.find(section.id))
        .filter(course_sections::deleted_at.is_null())
        .set(course_sections::deleted_at.eq(now))
        .returning(course_sections::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}

/// Takes a deletion back, with the lessons as they were and at the place where it was. The course has to be locked.
pub fn restore(conn: &mut PgConnection, id: Uuid) -> QueryResult<CourseSectionRow> {
    diesel::update(course_sections::table.find(id))
        .set(course_sections::deleted_at.eq(None::<DateTime<Utc>>))
        .returning(CourseSectionRow::as_returning())
        .get_result(conn)
}
