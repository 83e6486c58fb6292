//! `lessons`: the videos of a section, in their order.

use chrono::{DateTime, Utc};
use diesel::dsl::{max, now};
use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::enums::LessonStatus;
use crate::repositories::course_section;
use crate::schema::{course_sections, courses, lessons};

/// A lesson. `order` is its stored place; readers number the live ones.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = lessons)]
pub struct LessonRow {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub youtube_video_id: String,
    pub order: i32,
    pub status: LessonStatus,
    pub section_id: Uuid,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A lesson to be.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = lessons)]
pub struct NewLesson {
    pub name: String,
    pub description: Option<String>,
    pub youtube_video_id: String,
    pub order: i32,
    pub status: LessonStatus,
    pub section_id: Uuid,
}

/// Changes; `None` keeps, `Some(None)` clears.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = lessons)]
pub struct LessonChanges {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub youtube_video_id: Option<String>,
    pub status: Option<LessonStatus>,
    /// Set together with `order`, when the lesson moves.
    pub section_id: Option<Uuid>,
    pub order: Option<i32>,
}

impl LessonChanges {
    const fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.description.is_none()
            && self.youtube_video_id.is_none()
            && self.status.is_none()
            && self.section_id.is_none()
    }
}

/// The lessons of a course, in order, deleted ones among them.
pub fn all_of_course(conn: &mut PgConnection, course_id: Uuid) -> QueryResult<Vec<LessonRow>> {
    lessons::table
        .inner_join(course_sections::table)
        .filter(course_sections::course_id.eq(course_id))
        .order((course_sections::order, lessons::order))
        .select(LessonRow::as_select())
        .load(conn)
}

/// The live lessons of a section, in order.
pub fn of_section(conn: &mut PgConnection, section_id: Uuid) -> QueryResult<Vec<LessonRow>> {
    LessonRow::query()
        .filter(
            lessons::section_id
                .eq(section_id)
                .and(lessons::deleted_at.is_null()),
        )
        .order(lessons::order)
        .load(conn)
}

/// A lesson, deleted or not.
pub fn find_any(conn: &mut PgConnection, id: Uuid) -> QueryResult<LessonRow> {
    LessonRow::query().filter(lessons::id.eq(id)).first(conn)
}

/// A live lesson of a live section of a live course.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<LessonRow> {
    lessons::table
        .inner_join(course_sections::table.inner_join(courses::table))
        .filter(lessons::id.eq(id).and(lessons::deleted_at.is_null()))
        .filter(
            course_sections::deleted_at
                .is_null()
                .and(courses::deleted_at.is_null()),
        )
        .select(LessonRow::as_select())
        .first(conn)
}

/// The place after the last one, deleted lessons included. The section has to be locked.
pub fn next_order(conn: &mut PgConnection, section_id: Uuid) -> QueryResult<i32> {
    let last: Option<i32> = lessons::table
        .filter(lessons::section_id.eq(section_id))
        .select(max(lessons::order))
        .first(conn)?;
    Ok(last.map_or(0, |order| order + 1))
}

/// How many live lessons of the section come before this place.
pub fn position(conn: &mut PgConnection, lesson: &LessonRow) -> QueryResult<i64> {
    lessons::table
        .filter(lessons::section_id.eq(lesson.section_id))
        .filter(
            lessons::deleted_at
                .is_null()
                .and(lessons::order.lt(lesson.order)),
        )
        .count()
        .get_result(conn)
}

/// Writes a new lesson.
pub fn insert(conn: &mut PgConnection, new: &NewLesson) -> QueryResult<LessonRow> {
    diesel::insert_into(lessons::table)
        .values(new)
        .returning(LessonRow::as_returning())
        .get_result(conn)
}

/// Changes a live lesson. An empty change only reads it.
pub fn update(
    conn: &mut PgConnection,
    id: Uuid,
    changes: &LessonChanges,
) -> QueryResult<LessonRow> {
    let lesson = find(conn, id)?;
    if changes.is_empty() {
        return Ok(lesson);
    }
    diesel::update(lessons::table.find(id))
        .set(changes)
        .returning(LessonRow::as_returning())
        .get_result(conn)
}

/// Hides a lesson.
pub fn soft_delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    let lesson = find(conn, id)?;
    course_section::lock(conn, lesson.section_id)?;
    diesel::update(lessons::table.find(lesson.id))
        .filter(lessons::deleted_at.is_null())
        .set(lessons::deleted_at.eq(now))
        .returning(lessons::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}

/// Takes a deletion back, at the place where the lesson was. The section has to be locked.
pub fn restore(conn: &mut PgConnection, id: Uuid) -> QueryResult<LessonRow> {
    diesel::update(lessons::table.find(id))
        .set(lessons::deleted_at.eq(None::<DateTime<Utc>>))
        .returning(LessonRow::as_returning())
        .get_result(conn)
}
