//! The order of siblings: sections of a course, lessons of a section.

use diesel::prelude::*;
use diesel::sql_types::{Array, Uuid as SqlUuid};
use uuid::Uuid;

/// Whose order.
#[derive(Debug, Clone, Copy)]
pub enum Siblings {
    SectionsOfCourse,
    LessonsOfSection,
}

/// Puts the live children of a parent in this order, in one statement; the list has to name each of them once, and the
/// parent has to be locked. They share out the places that they have, so deleted ones keep theirs for a restore.
pub fn permute(
    conn: &mut PgConnection,
    siblings: Siblings,
    parent: Uuid,
    ids: &[Uuid],
) -> QueryResult<()> {
    let (table, parent_column) = match siblings {
        Siblings::SectionsOfCourse => ("course_sections", "course_id"),
        Siblings::LessonsOfSection => ("lessons", "section_id"),
    };
    diesel::sql_query(format!(
        r#"UPDATE {table} AS sibling SET "order" = place."order"
        FROM unnest($2) WITH ORDINALITY AS wanted (id, nth)
        JOIN (
            SELECT "order", row_number() OVER (ORDER BY "order") AS nth
            FROM {table} WHERE {parent_column} = $1 AND deleted_at IS NULL
        ) AS place USING (nth)
        WHERE sibling.id = wanted.id AND sibling."order" <> place."order""#
    ))
    .bind::<SqlUuid, _>(parent)
    .bind::<Array<SqlUuid>, _>(ids)
    .execute(conn)
    .map(drop)
}
