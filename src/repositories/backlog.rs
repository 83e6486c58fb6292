//! How much waits in the inbox and the outbox, as cheaply as it can be known.

use diesel::prelude::*;
use diesel::sql_types::Double;

/// What waits in one of the two.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Backlog {
    /// Not done yet, up to 10,000.
    #[diesel(sql_type = Double)]
    pub waiting: f64,
    /// How long the oldest has been due.
    #[diesel(sql_type = Double)]
    pub lag_seconds: f64,
    /// Given up, up to 10,000.
    #[diesel(sql_type = Double)]
    pub dead: f64,
}

/// The inbox, then the outbox.
pub fn measure(conn: &mut PgConnection) -> QueryResult<Vec<Backlog>> {
    diesel::sql_query(include_str!("backlog.sql")).load(conn)
}
