//! The demo store that fills an empty database: what is in it is `store.json`, how it is written is here. And a large
//! one, to measure with.

mod catalogue;
mod learning;
mod scale;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;

pub use self::scale::{Scale, seed_large};
pub use self::store::Person;
use self::store::Store;
use crate::schema::{courses, products};

/// Why there is no demo store.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error(
        "this database already holds products or courses; the demo store only goes into an empty one"
    )]
    NotEmpty,
    #[error("src/demo/store.json does not have the expected shape: {0}")]
    Parse(#[from] serde_json::Error),
    #[error("src/demo/store.json refers to `{0}` and has no such product or course")]
    UnknownKey(String),
    #[error("the demo store could not be written: {0}")]
    Query(#[from] diesel::result::Error),
}

/// What was made, counted.
#[derive(Debug)]
pub struct Seeded {
    pub people: usize,
    pub products: usize,
    pub courses: usize,
    pub sections: usize,
    pub lessons: usize,
    /// Lessons that were ticked off.
    pub completed_lessons: usize,
    /// Free products that were claimed.
    pub claims: usize,
    /// Those that Stripe would know of, in the order of the file.
    pub paid: Vec<PaidPurchase>,
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            people,
            products,
            courses,
            sections,
            lessons,
            claims,
            paid,
            ..
        } = self;
        let purchases = claims + paid.len();
        write!(
            f,
            "made {people} people, {products} products, {courses} courses with {sections} sections and {lessons} \
             lessons, {purchases} purchases"
        )
    }
}

/// A purchase of the demo store, for a local Stripe to enter in its books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidPurchase {
    /// `cs_test_demo_...`
    pub stripe_session_id: String,
    /// `pi_demo_...`
    pub stripe_payment_intent_id: String,
    pub product_name: String,
    /// In the smallest unit of the currency.
    pub amount_in_cents: i32,
    /// As given to [`seed`].
    pub currency: String,
    pub paid_at: DateTime<Utc>,
}

/// Who is in the demo store: an admin and two learners.
///
/// # Errors
/// [`SeedError::Parse`]
pub fn people() -> Result<Vec<Person>, SeedError> {
    Ok(Store::embedded()?.people)
}

/// Writes the demo store in one transaction. `currency` is the store's (ISO 4217, lower case).
///
/// A person whose Clerk id already has an account keeps it and only gets the role of the demo store.
///
/// # Errors
/// [`SeedError::NotEmpty`] when there is any product or course, even a deleted one; otherwise what went wrong,
/// with nothing written.
pub fn seed(conn: &mut PgConnection, currency: &str) -> Result<Seeded, SeedError> {
    let mut store = Store::embedded()?;
    conn.transaction(|conn| {
        lock_empty(conn)?;
        let now = Utc::now();
        catalogue::write_people(conn, &mut store.people, now)?;
        let (courses, sections, lessons) = catalogue::write_courses(conn, &store, now)?;
        let products = catalogue::write_products(conn, &store, now)?;
        let purchases = learning::write_purchases(conn, &store, currency, now)?;
        Ok(Seeded {
            people: store.people.len(),
            products,
            courses,
            sections,
            lessons,
            completed_lessons: learning::write_progress(conn, &store, now)?,
            claims: purchases
                .iter()
                .filter(|purchase| purchase.is_none())
                .count(),
            paid: purchases.into_iter().flatten().collect(),
        })
    })
}

/// Of two that seed at once, the second waits here and then finds the database filled.
fn lock_empty(conn: &mut PgConnection) -> Result<(), SeedError> {
    diesel::sql_query("LOCK TABLE products, courses IN SHARE ROW EXCLUSIVE MODE").execute(conn)?;
    let held: i64 = products::table.count().get_result::<i64>(conn)?
        + courses::table.count().get_result::<i64>(conn)?;
    if held > 0 {
        return Err(SeedError::NotEmpty);
    }
    Ok(())
}

fn ago(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    now - TimeDelta::days(days.into())
}
