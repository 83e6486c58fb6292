//! `access_grants`: why somebody may open a course.

use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::enums::AccessSource;
use crate::schema::{access_grants, courses};

/// Gives the buyer the courses of a purchase. Courses that were purged meanwhile are left out; the order of the
/// ids is the same for everybody, so that two purchases at once do not wait for each other in a circle.
pub fn grant_purchase(
    conn: &mut PgConnection,
    user_id: Uuid,
    purchase_id: Uuid,
    course_ids: &[Uuid],
) -> QueryResult<()> {
    let courses: Vec<Uuid> = courses::table
        .filter(courses::id.eq_any(course_ids))
        .order(courses::id)
        .select(courses::id)
        .for_key_share()
        .load(conn)?;
    let grants: Vec<_> = courses
        .iter()
        .map(|course_id| {
            (
                access_grants::user_id.eq(user_id),
                access_grants::course_id.eq(*course_id),
                access_grants::source.eq(AccessSource::Purchase),
                access_grants::purchase_id.eq(purchase_id),
            )
        })
        .collect();
    diesel::insert_into(access_grants::table)
        .values(grants)
        .execute(conn)
        .map(drop)
}
