//! Removing for good what was deleted long ago, as far as nothing hangs on it.
//!
//! People are not among it: their tombstones keep a late event from reviving them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;

/// How many rows went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    pub lessons: usize,
    pub sections: usize,
    pub products: usize,
    pub courses: usize,
}

/// Removes rows that were deleted before this time, children first. Products that were ever offered to a buyer stay,
/// and so do courses that a product or a learner holds: money and access outlive a deletion.
pub fn purge(conn: &mut PgConnection, before: DateTime<Utc>) -> QueryResult<Purged> {
    let mut remove = |statement: &str| {
        diesel::sql_query(statement)
            .bind::<Timestamptz, _>(before)
            .execute(conn)
    };
    Ok(Purged {
        lessons: remove("DELETE FROM lessons WHERE deleted_at < $1")?,
        sections: remove("DELETE FROM course_sections WHERE deleted_at < $1")?,
        products: remove(
            "DELETE FROM products p WHERE p.deleted_at < $1
                AND NOT EXISTS (SELECT FROM purchases WHERE product_id = p.id)
                AND NOT EXISTS (SELECT FROM checkouts WHERE product_id = p.id)",
        )?,
        courses: remove(
            "DELETE FROM courses c WHERE c.deleted_at < $1
                AND NOT EXISTS (SELECT FROM course_products WHERE course_id = c.id)
                AND NOT EXISTS (SELECT FROM user_course_access WHERE course_id = c.id)",
        )?,
    })
}
