//! Writes who is there and what is taught and sold.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::upsert::excluded;
use uuid::Uuid;

use super::{
    SeedError, ago,
    store::{Person, Store},
};
use crate::schema::{course_products, course_sections, courses, lessons, products, users};

/// Writes the people, and puts the ids of accounts that were there before into `people`.
pub(super) fn write_people(
    conn: &mut PgConnection,
    people: &mut [Person],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let rows = people
        .iter()
        .map(|person| (person, users::created_at.eq(ago(now, person.days_ago))));
    let accounts: Vec<(String, Uuid)> = diesel::insert_into(users::table)
        .values(rows.collect::<Vec<_>>())
        .on_conflict(users::clerk_user_id)
        .do_update()
        .set(users::role.eq(excluded(users::role)))
        .returning((users::clerk_user_id, users::id))
        .get_results(conn)?;
    let ids: HashMap<String, Uuid> = accounts.into_iter().collect();
    for person in people {
        person.id = *ids.get(&person.clerk_user_id).ok_or(diesel::NotFound)?;
    }
    Ok(())
}

/// Writes the courses and returns how many courses, sections and lessons there are.
pub(super) fn write_courses(
    conn: &mut PgConnection,
    store: &Store,
    now: DateTime<Utc>,
) -> QueryResult<(usize, usize, usize)> {
    let (mut course_rows, mut section_rows, mut lesson_rows) = (vec![], vec![], vec![]);
    for course in &store.courses {
        let created = ago(now, course.days_ago);
        course_rows.push((course, courses::created_at.eq(created)));
        for (order, section) in (0..).zip(&course.sections) {
            section_rows.push((
                section,
                course_sections::course_id.eq(course.id),
                course_sections::order.eq(order),
                course_sections::created_at.eq(created),
            ));
            lesson_rows.extend((0..).zip(&section.lessons).map(|(order, lesson)| {
                (
                    lesson,
                    lessons::section_id.eq(section.id),
                    lessons::order.eq(order),
                    lessons::created_at.eq(created),
                )
            }));
        }
    }
    Ok((
        diesel::insert_into(courses::table)
            .values(course_rows)
            .execute(conn)?,
        diesel::insert_into(course_sections::table)
            .values(section_rows)
            .execute(conn)?,
        diesel::insert_into(lessons::table)
            .values(lesson_rows)
            .execute(conn)?,
    ))
}

/// Writes the products and what they hold, and returns how many products there are.
pub(super) fn write_products(
    conn: &mut PgConnection,
    store: &Store,
    now: DateTime<Utc>,
) -> Result<usize, SeedError> {
    let (mut product_rows, mut contents) = (vec![], vec![]);
    for product in &store.products {
        let created = ago(now, product.days_ago);
        product_rows.push((product, products::created_at.eq(created)));
        contents.extend(store.course_ids(product)?.into_iter().map(|course_id| {
            (
                course_products::product_id.eq(product.id),
                course_products::course_id.eq(course_id),
                course_products::created_at.eq(created),
            )
        }));
    }
    let written = diesel::insert_into(products::table)
        .values(product_rows)
        .execute(conn)?;
    diesel::insert_into(course_products::table)
        .values(contents)
        .execute(conn)?;
    Ok(written)
}
