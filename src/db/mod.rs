//! The pool, and the only door from async code to the database.

mod actor;
mod connection;
mod migrations;
mod pool;
mod pooler;
mod queue;
mod replica;
mod sessions;

use std::sync::Arc;
use std::time::Instant;

use diesel::prelude::*;
use prometheus_client::metrics::histogram::Histogram;

pub use self::actor::Actor;
use self::connection::Role;
pub use self::connection::{ConnectError, connect};
pub use self::migrations::{
    MIGRATIONS, MigrationError, migrate_down, migrate_up, pending_migrations,
};
use self::pool::Pool;
pub use self::pooler::connect_directly;
pub use self::replica::{Follower, Replica};
use crate::config::Config;
use crate::freshness::{Basis, Freshness, Tag};
use crate::http::answer::Answer;
use crate::problem::{Code, Problem};
use crate::repositories::version::Versioned;

/// The database, as seen from async code. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    primary: Pool,
    replica: Option<Replica>,
    freshness: Freshness,
}

impl Db {
    /// The servers of the configuration. Connections are opened when they are first needed. `freshness` learns what
    /// transactions change.
    pub fn new(config: &Config, freshness: Freshness) -> Self {
        let size = config.database_pool_size;
        let replica = config.database_replica_url.clone();
        Self {
            primary: Pool::new(&config.database_url, size, Role::Primary),
            replica: replica.map(|url| Replica::new(url, size)),
            freshness,
        }
    }

    /// The replica, if there is one.
    pub fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    /// How many statements were sent so far, those that begin and end transactions included.
    pub fn statements(&self) -> u64 {
        self.primary.statements()
    }

    /// How many connections are in use, and how many requests wait for one.
    pub fn load(&self) -> (u32, u32) {
        self.primary.load()
    }

    /// Whether the database was there for the last who had a connection to it. Who waits for one knows nothing.
    pub fn is_up(&self) -> bool {
        self.primary.is_up()
    }

    /// How long requests waited for a connection, in seconds.
    pub fn waits(&self) -> Histogram {
        self.primary.waits()
    }

    /// Runs statements that need no transaction: a single one, or reads that may differ by a moment.
    ///
    /// # Errors
    /// What `work` returns; 503 when no connection is to be had in time.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        self.primary.run(false, work).await
    }

    /// [`Db::read`] for the few who have to be answered under load as well. Whoever asks whether this instance is ready:
    /// were it not while it is busy, the others would get its load on top of theirs. Whoever delivers an event that is
    /// signed: the next attempt may be an hour away, and somebody has paid.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read_patiently<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        self.primary.run(true, work).await
    }

    /// Runs reads on the replica if it has all that they depend on, else on the primary. `tags` is what they depend on
    /// as far as that is known; `work` adds what it finds out, and may run twice. Returned is also what those need who
    /// keep the answer.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn read_anywhere<T, F>(&self, tags: Vec<Tag>, work: F) -> Result<(T, Basis), Problem>
    where
        T: Send + 'static,
        F: Fn(&mut PgConnection, &mut Basis) -> Result<T, Problem> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        if let Some(replica) = &self.replica
            && let Some(answer) = replica.read(&self.freshness, &tags, &work).await
        {
            return answer;
        }
        self.read(move |conn| {
            let read_at = Instant::now();
            let mut basis = Basis { read_at, tags };
            Ok((work(conn, &mut basis)?, basis))
        })
        .await
    }

    /// Runs `work` in one transaction (READ COMMITTED): committed when it returns `Ok`, rolled back otherwise.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn transaction<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        let freshness = self.freshness.clone();
        self.read(move |conn| freshness.transaction(conn, work))
            .await
    }

    /// A transaction that somebody answers for: what it changes is in the audit log. It is done only on the
    /// conditions that the request names (`If-Match`).
    ///
    /// # Errors
    /// As [`Db::read`]; 403 when they may not, 412 when a condition does not hold.
    pub async fn change<T, F>(&self, actor: Actor, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        self.change_behind(|_| Ok(()), actor, work).await
    }

    /// [`Db::change`] where more has to be locked than what the conditions are about: `lock` comes first, so that
    /// with and without conditions all is locked in one order.
    ///
    /// # Errors
    /// As [`Db::change`].
    pub async fn change_behind<T, L, F>(&self, lock: L, actor: Actor, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        L: FnOnce(&mut PgConnection) -> Result<(), Problem> + Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        self.transaction(move |conn| {
            if !actor.answer_for(conn)? {
                return Err(Problem::new(Code::Forbidden));
            }
            lock(conn)?;
            let is_met = actor.precondition.is_met(conn)?;
            let done = work(conn);
            // What is not there is not there on any condition (RFC 9110, section 13.2.1).
            let is_gone = |problem: &Problem| problem.code() == Code::NotFound;
            if !is_met && !done.as_ref().is_err_and(is_gone) {
                return Err(Problem::new(Code::PreconditionFailed));
            }
            let done = done?;
            actor.precondition.note(conn)?;
            Ok(done)
        })
        .await
    }

    /// A change that makes its own answer. With an `Idempotency-Key` the answer is kept in the same transaction, so
    /// that a repetition gets it whatever happens after the commit.
    ///
    /// # Errors
    /// As [`Db::change`].
    pub async fn answer<F>(&self, actor: Actor, work: F) -> Result<Answer, Problem>
    where
        F: FnOnce(&mut PgConnection) -> Result<Answer, Problem> + Send + 'static,
    {
        let (precondition, ticket) = (actor.precondition.clone(), actor.ticket.clone());
        self.change(actor, move |conn| {
            let mut answer = work(conn)?;
            let made = answer.location().and_then(Versioned::at);
            if let Some(made) = made.or(precondition.target()) {
                precondition.note_of(conn, made)?;
            }
            if let Some(version) = precondition.version() {
                answer.tag(version);
            }
            ticket.keep(conn, &answer)?;
            Ok(answer)
        })
        .await
    }
}
