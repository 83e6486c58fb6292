//! Sums and counts over the whole store.

use diesel::prelude::*;
use diesel::sql_types::BigInt;

/// What the owner's dashboard shows. Amounts are in the currency's smallest unit.
#[derive(Debug, Clone, QueryableByName)]
pub struct Statistics {
    #[diesel(sql_type = BigInt)]
    pub gross_sales_in_cents: i64,
    #[diesel(sql_type = BigInt)]
    pub refunded_in_cents: i64,
    #[diesel(sql_type = BigInt)]
    pub purchase_count: i64,
    #[diesel(sql_type = BigInt)]
    pub refund_count: i64,
    #[diesel(sql_type = BigInt)]
    pub customer_count: i64,
    #[diesel(sql_type = BigInt)]
    pub student_count: i64,
    #[diesel(sql_type = BigInt)]
    pub product_count: i64,
    #[diesel(sql_type = BigInt)]
    pub course_count: i64,
    #[diesel(sql_type = BigInt)]
    pub section_count: i64,
    #[diesel(sql_type = BigInt)]
    pub lesson_count: i64,
}

/// Counts all of it in one statement.
pub fn read(conn: &mut PgConnection) -> QueryResult<Statistics> {
    diesel::sql_query(include_str!("statistics.sql")).get_result(conn)
}
