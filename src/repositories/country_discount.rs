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

/// Puts others in their place, one replacement after the other; what stays the same is not touched.
pub fn replace(conn: &mut PgConnection, discounts: &[CountryDiscount]) -> QueryResult<()> {
    use diesel::upsert::excluded;
    diesel::sql_query("LOCK TABLE country_discounts IN SHARE ROW EXCLUSIVE MODE").execute(conn)?;
    let kept = discounts.iter().map(|discount| &discount.country);
    use diesel::query_dsl::methods::FilterDsl;
    diesel::delete(country_discounts::table)
        .filter(country_discounts::country.ne_all(kept))
        .execute(conn)?;
    diesel::insert_into(country_discounts::table)
        .values(discounts)
        .on_conflict(country_discounts::country)
        .do_update()
        .set(country_discounts::percent_off.eq(excluded(country_discounts::percent_off)))
        .filter(country_discounts::percent_off.ne(excluded(country_discounts::percent_off)))
        .execute(conn)
        .map(drop)
}
