//! The pool, and the only door from async code to the database.

mod actor;
mod connection;
mod manager;
mod migrations;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2::{Pool, PooledConnection, R2D2Connection};
use prometheus_client::metrics::histogram::Histogram;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use self::actor::Actor;
pub use self::connection::connect;
use self::connection::{LogPoolErrors, Prepare};
use self::manager::Manager;
pub use self::migrations::{
    MIGRATIONS, MigrationError, migrate_down, migrate_up, pending_migrations,
};
use crate::context::RequestContext;
use crate::freshness::Freshness;
use crate::http::answer::Answer;
use crate::metrics;
use crate::problem::{Code, Problem, database_unavailable};
use crate::repositories::version::Versioned;

/// How long a request waits for a free connection before it is answered with 503.
const PERMIT_WAIT: Duration = Duration::from_secs(3);
/// How long a request waits for its statements in all, should the database not even say that it is late.
const WORK_WAIT: Duration = Duration::from_secs(15);
/// How long opening a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(2);

/// The database, as seen from async code. Cheap to clone.
///
/// Diesel is synchronous, so its work runs on the runtime's blocking threads. There are as many permits as
/// connections and a request takes one before it takes a thread, so waiting for the pool costs no thread.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    permits: Arc<Semaphore>,
    statements: Arc<AtomicU64>,
    size: u32,
    awaited: Arc<AtomicU32>,
    waits: Histogram,
    freshness: Freshness,
}

impl Db {
    /// A pool of at most `size` connections, opened when they are first needed. `freshness` learns what its
    /// transactions change.
    pub fn new(url: &SecretString, size: u32, freshness: Freshness) -> Self {
        let statements = Arc::new(AtomicU64::new(0));
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(CONNECT_WAIT)
            .test_on_check_out(true)
            .connection_customizer(Box::new(Prepare(Arc::clone(&statements))))
            .error_handler(Box::new(LogPoolErrors))
            .build_unchecked(Manager::new(url));
        Self {
            pool,
            permits: Arc::new(Semaphore::new(size as usize)),
            statements,
            size,
            awaited: Arc::default(),
            waits: metrics::seconds(),
            freshness,
        }
    }

    /// How many statements were sent so far, those that begin and end transactions included.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// How many connections are in use, and how many requests wait for one.
    pub fn load(&self) -> (f64, f64) {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        let in_use = self.size.saturating_sub(free);
        (in_use.into(), self.awaited.load(Ordering::Relaxed).into())
    }

    /// How long requests waited for a connection, in seconds.
    pub fn waits(&self) -> Histogram {
        self.waits.clone()
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
        let waiting = Waiting::new(&self.awaited);
        let begun = Instant::now();
        let permit = timeout(PERMIT_WAIT, Arc::clone(&self.permits).acquire_owned()).await;
        self.waits.observe(begun.elapsed().as_secs_f64());
        drop(waiting);
        let permit = permit
            .map_err(|_| database_unavailable(&"every connection is in use"))?
            .map_err(Problem::internal)?;
        let pool = self.pool.clone();
        let (span, context) = (tracing::Span::current(), RequestContext::current());
        let work = move || {
            let _outer = span.entered();
            let _span = tracing::debug_span!("database", otel.kind = "client").entered();
            let result = connection(&pool).and_then(|mut conn| {
                work(&mut conn).map_err(|problem| match problem.code() {
                    // Diesel gives some of a dead connection's failures other names, such as an unknown type.
                    Code::Internal if conn.is_broken() => {
                        database_unavailable(&"the connection broke")
                    }
                    _ => problem,
                })
            });
            drop(permit);
            result
        };
        let task = tokio::task::spawn_blocking(|| RequestContext::around_blocking(context, work));
        // The connection stays with its thread until that is done.
        let done = timeout(WORK_WAIT, task).await;
        let done = done.map_err(|_| database_unavailable(&"the statements took too long"))?;
        done.map_err(Problem::internal)?
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
    /// As [`Db::read`]; 412 when a condition does not hold.
    pub async fn change<T, F>(&self, actor: Actor, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        self.transaction(move |conn| {
            actor.answer_for(conn)?;
            actor.precondition.check(conn)?;
            let done = work(conn)?;
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

/// One more that waits, until it is dropped: a caller may give up at any time.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn connection(pool: &Pool<Manager>) -> Result<PooledConnection<Manager>, Problem> {
    // Not the error itself: it repeats libpq's words, which the pool has logged without what is secret in them.
    pool.get()
        .map_err(|_| database_unavailable(&"no connection could be opened in time"))
}
