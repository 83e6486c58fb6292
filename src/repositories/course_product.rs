//! `course_products`: which courses a product holds.

use diesel::dsl::exists;
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::{course_products, courses, products};

/// The live courses of a product, by name.
pub fn course_ids(conn: &mut PgConnection, product_id: Uuid) -> QueryResult<Vec<Uuid>> {
    course_products::table
        .inner_join(courses::table)
        .filter(
            course_products::product_id
                .eq(product_id)
                .and(courses::deleted_at.is_null()),
        )
        .order((courses::name, courses::id))
        .select(courses::id)
        .load(conn)
}

/// All courses of a product, deleted ones too.
pub fn all_course_ids(conn: &mut PgConnection, product_id: Uuid) -> QueryResult<Vec<Uuid>> {
    course_products::table
        .filter(course_products::product_id.eq(product_id))
        .select(course_products::course_id)
        .load(conn)
}

/// Makes the product hold exactly these courses.
pub fn replace(conn: &mut PgConnection, product_id: Uuid, course_ids: &[Uuid]) -> QueryResult<()> {
    let of_product = course_products::table.filter(course_products::product_id.eq(product_id));
    diesel::delete(of_product.filter(course_products::course_id.ne_all(course_ids)))
        .execute(conn)?;
    let rows: Vec<_> = course_ids
        .iter()
        .map(|id| {
            (
                course_products::product_id.eq(product_id),
                course_products::course_id.eq(*id),
            )
        })
        .collect();
    diesel::insert_into(course_products::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(conn)?;
    Ok(())
}

/// The names of the products, not deleted, that hold a course.
pub fn product_names_of_course(
    conn: &mut PgConnection,
    course_id: Uuid,
) -> QueryResult<Vec<String>> {
    let holds = course_products::table
        .filter(course_products::product_id.eq(products::id))
        .filter(course_products::course_id.eq(course_id));
    products::table
        .filter(products::deleted_at.is_null().and(exists(holds)))
        .order(products::name)
        .select(products::name)
        .load(conn)
}
