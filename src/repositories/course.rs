//! `courses`: what is taught.

use chrono::{DateTime, Utc};
use diesel::dsl::{exists, now, sql};
use diesel::expression::SqlLiteral;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::domain::deleted::Deleted;
use crate::domain::slice::{Slice, SliceSize};
use crate::schema::{course_products, courses};

/// A course.
#[derive(Debug, Clone, HasQuery)]
#[diesel(table_name = courses)]
pub struct CourseRow {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub deleted_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A course to be.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = courses)]
pub struct NewCourse {
    pub name: String,
    pub description: String,
}

/// Changes; `None` keeps.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = courses)]
pub struct CourseChanges {
    pub name: Option<String>,
    pub description: Option<String>,
}

/// A course as the owner sees it, with what it holds and who may open it. Deleted parts do not count.
#[derive(Debug, Clone, Queryable)]
pub struct AdminCourse {
    pub course: CourseRow,
    pub section_count: i64,
    pub lesson_count: i64,
    pub student_count: i64,
}

type Count = SqlLiteral<BigInt>;

fn admin_columns() -> (diesel::dsl::AsSelect<CourseRow, Pg>, Count, Count, Count) {
    (
        CourseRow::as_select(),
        sql(
            "coalesce((SELECT t.section_count FROM course_totals t WHERE t.course_id = courses.id), 0)::bigint",
        ),
        sql(
            "coalesce((SELECT t.lesson_count FROM course_totals t WHERE t.course_id = courses.id), 0)::bigint",
        ),
        // Few people are deleted: they are looked up once, not every student.
        sql(
            "(SELECT count(*) FROM user_course_access a WHERE a.course_id = courses.id \
             AND a.user_id NOT IN (SELECT id FROM users WHERE deleted_at IS NOT NULL))",
        ),
    )
}

/// The order of the owner's list, with the place after which a page starts.
pub enum CourseOrder {
    Name(Option<Cursor<String>>),
    NameDescending(Option<Cursor<String>>),
    CreatedAt(Option<Cursor<DateTime<Utc>>>),
    CreatedAtDescending(Option<Cursor<DateTime<Utc>>>),
}

/// Which courses; `None` leaves a side open.
#[derive(Debug, Clone, Default)]
pub struct CourseFilter {
    pub deleted: Deleted,
    pub search: Option<String>,
    /// In this product.
    pub product_id: Option<Uuid>,
}

/// A page for the owner.
pub fn admin_page(
    conn: &mut PgConnection,
    filter: &CourseFilter,
    order: CourseOrder,
    size: SliceSize,
) -> QueryResult<Slice<AdminCourse>> {
    let matching = || {
        let mut query = courses::table.select(admin_columns()).into_boxed();
        query = match filter.deleted {
            Deleted::No => query.filter(courses::deleted_at.is_null()),
            Deleted::Only => query.filter(courses::deleted_at.is_not_null()),
            Deleted::Include => query,
        };
        if let Some(text) = &filter.search {
            let found = sql::<Bool>("courses.id IN (SELECT search_courses(").bind::<Text, _>(text);
            query = query.filter(found.sql("))"));
        }
        if let Some(product_id) = filter.product_id {
            let holds = course_products::table
                .filter(course_products::course_id.eq(courses::id))
                .filter(course_products::product_id.eq(product_id));
            query = query.filter(exists(holds));
        }
        query
    };
    let query = matching();
    let query = match order {
        CourseOrder::Name(cursor) => after!(query, courses::name, cursor, asc),
        CourseOrder::NameDescending(cursor) => after!(query, courses::name, cursor, desc),
        CourseOrder::CreatedAt(cursor) => after!(query, courses::created_at, cursor, asc),
        CourseOrder::CreatedAtDescending(cursor) => {
            after!(query, courses::created_at, cursor, desc)
        }
    };
    let rows = query.limit(size.to_read()).load(conn)?;
    Slice::cut(rows, size, || matching().count().get_result(conn))
}

/// Any course, for the owner.
pub fn admin_find(conn: &mut PgConnection, id: Uuid) -> QueryResult<AdminCourse> {
    courses::table.find(id).select(admin_columns()).first(conn)
}

/// A course that is not deleted.
pub fn find(conn: &mut PgConnection, id: Uuid) -> QueryResult<CourseRow> {
    CourseRow::query()
        .filter(courses::id.eq(id).and(courses::deleted_at.is_null()))
        .first(conn)
}

/// Locks a course that is not deleted: whoever adds or moves its sections, or deletes it, comes after another.
pub fn lock(conn: &mut PgConnection, id: Uuid) -> QueryResult<CourseRow> {
    CourseRow::query()
        .filter(courses::id.eq(id).and(courses::deleted_at.is_null()))
        .for_no_key_update()
        .first(conn)
}

/// Locks those of the courses that are there and not deleted, so that none of them is deleted meanwhile.
pub fn lock_live(conn: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    courses::table
        .filter(courses::id.eq_any(ids).and(courses::deleted_at.is_null()))
        .order(courses::id)
        .select(courses::id)
        .for_share()
        .load(conn)
}

/// Writes a new course.
pub fn insert(conn: &mut PgConnection, new: &NewCourse) -> QueryResult<Uuid> {
    diesel::insert_into(courses::table)
        .values(new)
        .returning(courses::id)
        .get_result(conn)
}

/// Changes a course that is not deleted. An empty change only checks that it is there.
pub fn update(conn: &mut PgConnection, id: Uuid, changes: &CourseChanges) -> QueryResult<()> {
    if changes.name.is_none() && changes.description.is_none() {
        return find(conn, id).map(drop);
    }
    let live = courses::table.filter(courses::id.eq(id).and(courses::deleted_at.is_null()));
    diesel::update(live)
        .set(changes)
        .returning(courses::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}

/// Hides a course and all that is in it.
pub fn soft_delete(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    let live = courses::table.filter(courses::id.eq(id).and(courses::deleted_at.is_null()));
    diesel::update(live)
        .set(courses::deleted_at.eq(now))
        .returning(courses::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}

/// Takes a deletion back, with all that is in the course as it was.
pub fn restore(conn: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    diesel::update(courses::table.find(id))
        .set(courses::deleted_at.eq(None::<DateTime<Utc>>))
        .returning(courses::id)
        .get_result::<Uuid>(conn)
        .map(drop)
}

/// Locks a course, deleted or not.
pub fn lock_any(conn: &mut PgConnection, id: Uuid) -> QueryResult<CourseRow> {
    CourseRow::query()
        .filter(courses::id.eq(id))
        .for_no_key_update()
        .first(conn)
}
