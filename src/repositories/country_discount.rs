//! `country_discounts`: what is taken off where people earn less.

use diesel::prelude::*;

use crate::schema::country_discounts;

/// A country and its discount.
#[derive(Debug, Clone, HasQuery, Insertable)]
#[diesel(table_name = country_discounts)]
pub struct CountryDiscount {
    pub country: String,
    pub percent_off: i32,
}

/// What is taken off in a country; `None` where nothing is.
pub fn percent_off(conn: &mut PgConnection, country: &str) -> QueryResult<Option<i32>> {
    country_discounts::table
        .find(country)
        .select(country_discounts::percent_off)
        .first(conn)
        .optional()
}

/// All of them, the largest discount first.
pub fn all(conn: &mut PgConnection) -> QueryResult<Vec<CountryDiscount>> {
    CountryDiscount::query()
        .order((
            country_discounts::percent_off.desc(),
            country_discounts::country,
        ))
        .load(conn)
}

/// Puts others in their place.
pub fn replace(conn: &mut PgConnection, discounts: &[CountryDiscount]) -> QueryResult<()> {
    diesel::delete(country_discounts::table).execute(conn)?;
    diesel::insert_into(country_discounts::table)
        .values(discounts)
        .execute(conn)
        .map(drop)
}
