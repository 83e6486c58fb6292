//! A large store of made-up things, to measure with: what is in it, and how it is written, is `scale.sql`.

use std::str::FromStr;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::{SeedError, lock_empty};

/// How large, as a decimal number: 1 is 1,000 products, 1,000 courses of 100 lessons, 20,000 people, 60,000 grants and
/// 1,200,000 lessons ticked off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale(String);

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number = text.parse::<f64>().ok().filter(|_| is_plain);
        match number {
            Some(number) if (0.001..=100.0).contains(&number) => Ok(Self(text.to_owned())),
            _ => Err("a number from 0.001 to 100 is expected".to_owned()),
        }
    }
}

/// Writes a large store in one transaction, and brings the planner's statistics up to date. The same scale always makes
/// the same store. People sign in under the names `admin`, `learner-1`, `learner-2` and so on.
///
/// # Errors
/// [`SeedError::NotEmpty`] when there is any product or course, even a deleted one; otherwise what went wrong,
/// with nothing written.
pub fn seed_large(
    conn: &mut PgConnection,
    currency: &str,
    Scale(scale): &Scale,
) -> Result<(), SeedError> {
    // VACUUM marks as visible to all only what it knows to be written down.
    conn.batch_execute("SET synchronous_commit = on")?;
    conn.transaction(|conn| {
        lock_empty(conn)?;
        diesel::sql_query("SELECT set_config('lectern.scale', $1, true), set_config('lectern.currency', $2, true)")
            .bind::<Text, _>(scale)
            .bind::<Text, _>(currency)
            .execute(conn)?;
        conn.batch_execute(include_str!("scale.sql"))?;
        Ok::<_, SeedError>(())
    })?;
    // Cannot be in a transaction. Autovacuum would come to it too, but later.
    conn.batch_execute("VACUUM (ANALYZE)")?;
    Ok(())
}
