//! A pool of connections to one server.
//!
//! Diesel is synchronous, so its work runs on the runtime's blocking threads. There are as many places in the queue as
//! connections and a request takes one before it takes a thread, so waiting for a connection costs no thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use diesel::PgConnection;
use diesel::r2d2;
use prometheus_client::metrics::histogram::Histogram;
use secrecy::SecretString;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::connection::Role;
use super::queue::Queue;
use super::sessions::{LogPoolErrors, Sessions};
use crate::context::RequestContext;
use crate::metrics;
use crate::problem::{Code, Problem, database_unavailable};

/// How long a request waits for the database in all, should that not even say that it is late.
const WORK_WAIT: Duration = Duration::from_secs(15);
/// How long it waits for a connection to be opened.
const CONNECT_WAIT: Duration = Duration::from_secs(2);

/// The connections. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    sessions: r2d2::Pool<Sessions>,
    queue: Arc<Queue>,
    statements: Arc<AtomicU64>,
    opened: Arc<AtomicU64>,
    waits: Histogram,
    is_up: Arc<AtomicBool>,
}

impl Pool {
    /// At most `size` connections, opened when they are first needed.
    pub fn new(url: &SecretString, size: u32, role: Role) -> Self {
        let (statements, opened) = (Arc::default(), Arc::default());
        let sessions = Sessions::new(
            url.clone(),
            role,
            Arc::clone(&statements),
            Arc::clone(&opened),
        );
        let sessions = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(CONNECT_WAIT)
            .error_handler(Box::new(LogPoolErrors))
            .build_unchecked(sessions);
        Self {
            sessions,
            queue: Arc::new(Queue::new(size)),
            statements,
            opened,
            waits: metrics::seconds(),
            is_up: Arc::default(),
        }
    }

    /// How many statements were sent so far, those that begin and end transactions included.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// How many sessions were opened so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Acquire)
    }

    /// How many connections are in use, and how many requests wait for one.
    pub fn load(&self) -> (u32, u32) {
        self.queue.load()
    }

    /// Whether the server was there for the last who had a connection to it. Who waits for one knows nothing.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// How long requests waited for a connection, in seconds.
    pub fn waits(&self) -> Histogram {
        self.waits.clone()
    }

    /// Does some work on a connection of its own. Who `insists` waits for it however much is asked of the database, and
    /// so does background work: there is little of it at once, and what a learner paid for depends on it.
    ///
    /// # Errors
    /// What `work` returns; 503 when no connection is to be had in time.
    pub async fn run<T, F>(&self, insists: bool, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        let begun = Instant::now();
        let deadline = begun + WORK_WAIT.saturating_sub(RequestContext::waited());
        let insists = insists || RequestContext::with_current(|_| ()).is_none();
        let place = timeout_at(deadline, self.queue.enter(insists)).await;
        self.waits.observe(begun.elapsed().as_secs_f64());
        let result = match place {
            Ok(Some(place)) => self.run_at(place, deadline, work).await,
            // Not logged: under load there are very many.
            _ => Err(Problem::unavailable(Code::DatabaseUnavailable, 1)),
        };
        RequestContext::count_wait(begun.elapsed());
        result
    }

    /// [`Self::run`], but `None` when that would have to wait for a connection.
    pub fn run_at_once<T, F>(&self, work: F) -> Option<impl Future<Output = Result<T, Problem>>>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        let place = self.queue.enter_at_once()?;
        Some(self.run_at(place, Instant::now() + WORK_WAIT, work))
    }

    async fn run_at<T, F>(
        &self,
        place: OwnedSemaphorePermit,
        deadline: Instant,
        work: F,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&mut PgConnection) -> Result<T, Problem> + Send + 'static,
    {
        let (sessions, is_up) = (self.sessions.clone(), Arc::clone(&self.is_up));
        let (span, context) = (tracing::Span::current(), RequestContext::current());
        let work = move || {
            let _outer = span.entered();
            let _span = tracing::debug_span!("database", otel.kind = "client").entered();
            let session = sessions.get();
            // Not the error itself: the pool has logged it.
            let session =
                session.map_err(|_| database_unavailable(&"no connection could be opened in time"));
            let result = session.and_then(|mut session| session.run(work));
            let is_down = |problem: &Problem| problem.code() == Code::DatabaseUnavailable;
            is_up.store(!result.as_ref().is_err_and(is_down), Ordering::Relaxed);
            drop(place);
            result
        };
        let task = tokio::task::spawn_blocking(|| RequestContext::around_blocking(context, work));
        // The connection stays with its thread until that is done.
        let done = timeout_at(deadline, task).await;
        let done = done.map_err(|_| {
            self.is_up.store(false, Ordering::Relaxed);
            database_unavailable(&"the statements took too long")
        })?;
        done.map_err(Problem::internal)?
    }
}
