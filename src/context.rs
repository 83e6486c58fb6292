//! The request at hand, for whoever works on it, however deep: the ids for its lines in the log, and what it uses.

use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use uuid::Uuid;

tokio::task_local! {
    static CURRENT: Arc<RequestContext>;
}

/// What is known of a request, and what it has used so far.
#[derive(Debug)]
pub struct RequestContext {
    pub request_id: String,
    /// 32 digits of hexadecimal, as in `traceparent`.
    pub trace_id: String,
    user_id: OnceLock<Uuid>,
    statements: AtomicU32,
    database_nanos: AtomicU64,
    waited_nanos: AtomicU64,
}

impl RequestContext {
    /// A request that has used nothing.
    pub fn new(request_id: String, trace_id: String) -> Arc<Self> {
        Arc::new(Self {
            request_id,
            trace_id,
            user_id: OnceLock::new(),
            statements: AtomicU32::new(0),
            database_nanos: AtomicU64::new(0),
            waited_nanos: AtomicU64::new(0),
        })
    }

    /// That of the request which is being worked on; `None` in background work.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Makes it the current one of everything that `work` does in its task.
    pub fn around<F: Future>(self: Arc<Self>, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// The same for work on a thread of its own.
    pub fn around_blocking<T>(context: Option<Arc<Self>>, work: impl FnOnce() -> T) -> T {
        match context {
            Some(context) => CURRENT.sync_scope(context, work),
            None => work(),
        }
    }

    /// Reads something of the current one without taking it.
    pub fn with_current<T>(read: impl FnOnce(&Self) -> T) -> Option<T> {
        CURRENT.try_with(|context| read(context)).ok()
    }

    /// The id of the current one; empty in background work.
    pub fn current_id() -> String {
        Self::with_current(|context| context.request_id.clone()).unwrap_or_default()
    }

    /// Says who asks, by our own id.
    pub fn identify(user_id: Uuid) {
        // A request has one sender; whoever says it again says the same.
        Self::with_current(|context| context.user_id.set(user_id).ok());
    }

    /// Who asks, as far as anybody wanted to know.
    pub fn user_id(&self) -> Option<Uuid> {
        self.user_id.get().copied()
    }

    /// Counts a statement that took so long.
    pub fn count_statement(time: Duration) {
        Self::with_current(|context| {
            context.statements.fetch_add(1, Ordering::Relaxed);
            add(&context.database_nanos, time);
        });
    }

    /// Counts a wait for the database: for a connection, and for all that was done with it.
    pub fn count_wait(time: Duration) {
        Self::with_current(|context| add(&context.waited_nanos, time));
    }

    /// How long the current one has waited so.
    pub fn waited() -> Duration {
        let nanos = |context: &Self| context.waited_nanos.load(Ordering::Relaxed);
        Duration::from_nanos(Self::with_current(nanos).unwrap_or_default())
    }

    /// Statements sent, those that begin and end transactions included.
    pub fn statements(&self) -> u32 {
        self.statements.load(Ordering::Relaxed)
    }

    /// From sending a statement until its answer was there, of all statements together.
    pub fn database_time(&self) -> Duration {
        Duration::from_nanos(self.database_nanos.load(Ordering::Relaxed))
    }
}

fn add(nanos: &AtomicU64, time: Duration) {
    let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    nanos.fetch_add(time, Ordering::Relaxed);
}
