//! Finds out whether a pooler in transaction mode (such as PgBouncer) is in front of the database: each transaction may
//! then have another server session, and whatever is left in one (a prepared statement, a setting, a lock, an ear) is
//! lost, or found by somebody else.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, SimpleConnection};
use diesel::prelude::*;
use diesel::{define_sql_function, select};
use secrecy::SecretString;

use super::connection::{ConnectError, connect};

/// How often the two connections are compared. Other clients of a pooler may hide it from one comparison.
const ROUNDS: usize = 5;
/// How long what was found out is believed: several connections are opened at once, and what is in front of the
/// database may change while there is none.
const BELIEVED: Duration = Duration::from_secs(10);

/// How long one statement may run, and wait for somebody else's lock, before the database gives it up, and how long a
/// transaction may say nothing. None runs long enough for machine code to be worth its making. A page that is not the
/// next one costs hardly more: most are in memory, and the disk has no arm to move. With Postgres's own 4, a table of ten
/// thousand rows would be read from end to end for a hundred of them.
const LIMITS: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
    SET idle_in_transaction_session_timeout = '10s'; SET jit = off; SET random_page_cost = 1.1";
/// Whatever the database says: migrations take their time, and who waits for them as well.
const NO_LIMITS: &str = "SET statement_timeout = 0; SET lock_timeout = 0";
/// How soon the database notices that nobody is there any more, as when the network is cut. It would keep the session,
/// with every lock in it, for the two hours that TCP takes otherwise.
const SIGNS_OF_LIFE: &str = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 1; \
    SET tcp_user_timeout = '10s'";

define_sql_function! {
    /// The process that serves a session.
    fn pg_backend_pid() -> Integer;
}
define_sql_function! {
    fn current_setting(name: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

/// What is known of the way to a database.
#[derive(Debug, Default)]
pub struct Pooler(Mutex<Option<(Instant, bool)>>);

impl Pooler {
    /// Makes a new connection fit for the way that it goes: with limits, and statements that are kept, if its session
    /// is its own. `other` opens a second one, to compare.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn prepare(
        &self,
        conn: &mut PgConnection,
        other: impl FnOnce() -> Result<PgConnection, ConnectError>,
    ) -> Result<(), ConnectError> {
        if !self.is_on_the_way(conn, other)? {
            conn.batch_execute(&format!("{SIGNS_OF_LIFE}; {LIMITS}"))?;
            conn.set_prepared_statement_cache_size(CacheSize::Unbounded);
        }
        Ok(())
    }

    fn is_on_the_way(
        &self,
        conn: &mut PgConnection,
        other: impl FnOnce() -> Result<PgConnection, ConnectError>,
    ) -> Result<bool, ConnectError> {
        // Whoever comes second waits for what the first one finds out.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, is_there)) = *known
            && since.elapsed() < BELIEVED
        {
            return Ok(is_there);
        }
        let is_there = !keeps_session(conn, &mut other()?)?;
        if is_there && !known.is_some_and(|(_, was_there)| was_there) {
            tell(conn)?;
        }
        *known = Some((Instant::now(), is_there));
        Ok(is_there)
    }
}

/// A connection whose session is its own: for LISTEN, and locks that outlive a transaction.
///
/// # Errors
/// [`ConnectError::Pooled`] when it would not be.
pub fn connect_directly(url: &SecretString) -> Result<PgConnection, ConnectError> {
    let mut conn = connect(url)?;
    if !keeps_session(&mut conn, &mut connect(url)?)? {
        return Err(ConnectError::Pooled);
    }
    conn.batch_execute(&format!("{SIGNS_OF_LIFE}; {NO_LIMITS}"))?;
    Ok(conn)
}

/// Compares with a second connection: through a pooler, that one gets the server process that this one has just left,
/// or this one gets another.
fn keeps_session(conn: &mut PgConnection, other: &mut PgConnection) -> QueryResult<bool> {
    let process = |conn: &mut PgConnection| select(pg_backend_pid()).get_result::<i32>(conn);
    let mine = process(conn)?;
    for _ in 0..ROUNDS {
        if process(conn)? != mine || process(other)? == mine {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What the operator should know of it, once.
fn tell(conn: &mut PgConnection) -> QueryResult<()> {
    tracing::info!(
        "a pooler in transaction mode is in front of the database: no statement is kept"
    );
    let limit: String = select(current_setting("statement_timeout")).get_result(conn)?;
    if limit == "0" {
        tracing::warn!(
            "nothing limits how long a statement may run: ALTER DATABASE ... SET statement_timeout = '10s', and the rest of docs/scaling.md"
        );
    }
    Ok(())
}
