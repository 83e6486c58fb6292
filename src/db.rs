//! The pool, the migrations, and the only door from async code to the database.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::r2d2::{
    ConnectionManager, CustomizeConnection, Pool, PooledConnection, R2D2Connection,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use prometheus_client::metrics::histogram::Histogram;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use uuid::Uuid;

use crate::context::RequestContext;
use crate::http::answer::Answer;
use crate::http::idempotency::MaybeTicket;
use crate::http::precondition::Precondition;
use crate::metrics;
use crate::problem::{Code, Problem, database_unavailable};
use crate::repositories::version::Versioned;

/// Everything under `migrations/`, compiled in.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// How long a request waits for a free connection before it is answered with 503.
const PERMIT_WAIT: Duration = Duration::from_secs(3);
/// How long a request waits for its statements in all, should the database not even say that it is late.
const WORK_WAIT: Duration = Duration::from_secs(15);
/// How long one statement may run, and wait for somebody else's lock, before the database gives it up. None runs long
/// enough for machine code to be worth its making.
const LIMITS: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET jit = off";
/// How long opening a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(2);

/// The database, as seen from async code. Cheap to clone.
///
/// Diesel is synchronous, so its work runs on the runtime's blocking threads. There are as many permits as
/// connections and a request takes one before it takes a thread, so waiting for the pool costs no thread.
#[derive(Clone)]
pub struct Db {
    pool: Pool<ConnectionManager<PgConnection>>,
    permits: Arc<Semaphore>,
    statements: Arc<AtomicU64>,
    size: u32,
    awaited: Arc<AtomicU32>,
    waits: Histogram,
}

impl Db {
    /// A pool of at most `size` connections, opened when they are first needed.
    pub fn new(url: &SecretString, size: u32) -> Self {
        let statements = Arc::new(AtomicU64::new(0));
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(CONNECT_WAIT)
            // A broken connection shows itself at its first statement and is thrown away then;
            // asking before every use would cost each request a round trip.
            .test_on_check_out(false)
            .connection_customizer(Box::new(Prepare(Arc::clone(&statements))))
            .error_handler(Box::new(LogPoolErrors))
            .build_unchecked(ConnectionManager::new(url.expose_secret()));
        Self {
            pool,
            permits: Arc::new(Semaphore::new(size as usize)),
            statements,
            size,
            awaited: Arc::default(),
            waits: metrics::seconds(),
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
        self.read(move |conn| conn.transaction(work)).await
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

/// Who answers for a change, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    /// The admin; `None` for the operator at the command line.
    pub user_id: Option<Uuid>,
    pub request_id: String,
    /// On which condition the change is to be done.
    pub precondition: Precondition,
    /// The right to do it under its idempotency key, when it has one.
    pub ticket: MaybeTicket,
}

impl Actor {
    /// Names the actor until the transaction ends: the triggers of the audit log read it.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn answer_for(&self, conn: &mut PgConnection) -> QueryResult<()> {
        use diesel::sql_types::Text;
        let user_id = self.user_id.map(|id| id.to_string()).unwrap_or_default();
        diesel::sql_query("SELECT set_config('lectern.actor_id', $1, true), set_config('lectern.request_id', $2, true)")
            .bind::<Text, _>(user_id)
            .bind::<Text, _>(&self.request_id)
            .execute(conn)
            .map(drop)
    }
}

fn connection(
    pool: &Pool<ConnectionManager<PgConnection>>,
) -> Result<PooledConnection<ConnectionManager<PgConnection>>, Problem> {
    // Not the error itself: it repeats libpq's words, which the pool has logged without what is secret in them.
    pool.get()
        .map_err(|_| database_unavailable(&"no connection could be opened in time"))
}

/// Limits every connection of the pool, and counts what it is sent.
#[derive(Debug)]
struct Prepare(Arc<AtomicU64>);

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Prepare {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        conn.batch_execute(LIMITS)
            .map_err(diesel::r2d2::Error::QueryError)?;
        let statements = Arc::clone(&self.0);
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
        Ok(())
    }
}

/// libpq's words where they are about the server. Where they are about the connection string they may quote it, and
/// with it the password.
fn without_secrets(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let is_about_server = ["connection to server", "could not translate host name"];
    if is_about_server.iter().any(|start| text.starts_with(start)) {
        text.trim_end().to_owned()
    } else {
        "DATABASE_URL has options that libpq does not understand".to_owned()
    }
}

/// The pool's background errors.
#[derive(Debug)]
struct LogPoolErrors;

impl<E: fmt::Display> diesel::r2d2::HandleError<E> for LogPoolErrors {
    fn handle_error(&self, error: E) {
        let error = without_secrets(&error);
        tracing::warn!(error, "the pool could not open a connection");
    }
}

/// What went wrong with the migrations, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error("the database of DATABASE_URL cannot be reached: {0}")]
    Connect(String),
    #[error("a statement failed: {0}")]
    Query(#[from] diesel::result::Error),
    #[error("a migration failed: {0}")]
    Migrate(Box<dyn std::error::Error + Send + Sync>),
}

/// A connection outside the pool, for commands that run before or without a server.
///
/// # Errors
/// When the database cannot be reached.
pub fn connect(url: &SecretString) -> Result<PgConnection, MigrationError> {
    PgConnection::establish(url.expose_secret())
        .map_err(|error| MigrationError::Connect(without_secrets(&error)))
}

/// Applies what is pending and returns its names. An advisory lock lets only one of several instances do it.
///
/// # Errors
/// When a migration fails; those before it stay applied.
pub fn migrate_up(conn: &mut PgConnection) -> Result<Vec<String>, MigrationError> {
    locked(conn, |conn| {
        let names = pending_migrations(conn)?;
        conn.run_pending_migrations(MIGRATIONS)
            .map_err(MigrationError::Migrate)?;
        Ok(names)
    })
}

/// Takes back the last `count` migrations and returns their names.
///
/// # Errors
/// When a migration fails; those before it stay taken back.
pub fn migrate_down(conn: &mut PgConnection, count: usize) -> Result<Vec<String>, MigrationError> {
    locked(conn, |conn| {
        let applied = conn
            .applied_migrations()
            .map_err(MigrationError::Migrate)?
            .len();
        (0..count.min(applied))
            .map(|_| {
                conn.revert_last_migration(MIGRATIONS)
                    .map(|version| version.to_string())
            })
            .collect::<Result<_, _>>()
            .map_err(MigrationError::Migrate)
    })
}

/// The names of the migrations that are not applied yet.
///
/// # Errors
/// When the database does not answer.
pub fn pending_migrations(conn: &mut PgConnection) -> Result<Vec<String>, MigrationError> {
    let pending = conn
        .pending_migrations(MIGRATIONS)
        .map_err(MigrationError::Migrate)?;
    Ok(pending
        .iter()
        .map(|migration| migration.name().to_string())
        .collect())
}

/// "lectern" in ASCII: the key of the session-level advisory lock around migrations.
const MIGRATION_LOCK: i64 = 0x006c_6563_7465_726e;

fn locked<T>(
    conn: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T, MigrationError>,
) -> Result<T, MigrationError> {
    use diesel::sql_types::BigInt;
    diesel::sql_query("SELECT pg_advisory_lock($1)")
        .bind::<BigInt, _>(MIGRATION_LOCK)
        .execute(conn)?;
    let result = work(conn);
    diesel::sql_query("SELECT pg_advisory_unlock($1)")
        .bind::<BigInt, _>(MIGRATION_LOCK)
        .execute(conn)?;
    result
}
