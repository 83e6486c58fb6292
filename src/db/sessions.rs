//! The sessions of a pool: how one begins, and when it is thrown away.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use diesel::r2d2::{HandleError, ManageConnection, R2D2Connection};
use diesel::{define_sql_function, select};
use secrecy::SecretString;

use super::connection::{ConnectError, Role, connect_to};
use super::pooler::Pooler;
use crate::context::RequestContext;
use crate::problem::{Code, Problem, database_unavailable};

define_sql_function! {
    /// Whether the server is a standby.
    fn pg_is_in_recovery() -> Bool;
}

/// A connection of a pool.
pub struct Session {
    conn: PgConnection,
    role: Role,
    has_lost_its_server: bool,
}

impl Session {
    /// Does some work. After a failure that is the database's, the session is kept only if it still serves.
    ///
    /// # Errors
    /// What `work` returns; 503 when the connection breaks.
    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        work(&mut self.conn).map_err(|problem| match problem.code() {
            // Diesel gives some of a dead connection's failures other names, such as an unknown type.
            Code::Internal if self.conn.is_broken() => {
                database_unavailable(&"the connection broke")
            }
            Code::DatabaseUnavailable => {
                self.has_lost_its_server = self.prove().is_err();
                problem
            }
            _ => problem,
        })
    }

    /// One statement, which a dead connection does not answer and a server that has changed its part answers wrongly.
    fn prove(&mut self) -> Result<(), ConnectError> {
        let is_standby: bool = select(pg_is_in_recovery()).get_result(&mut self.conn)?;
        if is_standby == (self.role == Role::Standby) {
            Ok(())
        } else {
            Err(ConnectError::OtherRole)
        }
    }
}

/// Opens the sessions of a pool.
#[derive(Debug)]
pub struct Sessions {
    url: SecretString,
    role: Role,
    statements: Arc<AtomicU64>,
    opened: Arc<AtomicU64>,
    pooler: Pooler,
}

impl Sessions {
    /// Counts in `statements` what is sent, and in `opened` the sessions.
    pub fn new(
        url: SecretString,
        role: Role,
        statements: Arc<AtomicU64>,
        opened: Arc<AtomicU64>,
    ) -> Self {
        Self {
            url,
            role,
            statements,
            opened,
            pooler: Pooler::default(),
        }
    }
}

impl ManageConnection for Sessions {
    type Connection = Session;
    type Error = ConnectError;

    fn connect(&self) -> Result<Session, ConnectError> {
        let open = || connect_to(&self.url, self.role);
        let mut conn = open()?;
        self.pooler.prepare(&mut conn, open)?;
        let statements = Arc::clone(&self.statements);
        let mut begun = Instant::now();
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| match event {
            InstrumentationEvent::StartQuery { .. } => {
                statements.fetch_add(1, Ordering::Relaxed);
                begun = Instant::now();
            }
            InstrumentationEvent::FinishQuery { .. } => {
                RequestContext::count_statement(begun.elapsed());
            }
            _ => {}
        });
        self.opened.fetch_add(1, Ordering::AcqRel);
        Ok(Session {
            conn,
            role: self.role,
            has_lost_its_server: false,
        })
    }

    /// The socket tells whether the server has gone, and nothing is asked. So a restart of the database fails what was
    /// in flight, and nothing that comes after it.
    fn is_valid(&self, session: &mut Session) -> Result<(), ConnectError> {
        // Reading messages reads the socket. The first time there may be the server's last words, the second time its end.
        for _ in 0..2 {
            session
                .conn
                .notifications_iter()
                .try_for_each(|message| message.map(drop))?;
        }
        Ok(())
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.has_lost_its_server || session.conn.is_broken()
    }
}

/// The pool's background errors.
#[derive(Debug)]
pub struct LogPoolErrors;

impl<E: fmt::Display> HandleError<E> for LogPoolErrors {
    fn handle_error(&self, error: E) {
        tracing::warn!(%error, "a connection of the pool failed");
    }
}
