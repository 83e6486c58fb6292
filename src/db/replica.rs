//! A streaming replica, and up to which moment it is known to have everything.
//!
//! A thread notes again and again how far the primary has written, and when; then the replica, by how far it has
//! replayed, says up to which of those moments it has all that was committed. Only this machine's clock is read, so no
//! two clocks have to agree.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use secrecy::SecretString;
use tokio::time::timeout;

use super::connection::{ConnectError, Role, connect, connect_to};
use super::pool::Pool;
use crate::freshness::{Basis, Freshness, Tag};
use crate::problem::{Code, Problem};

/// How often the two are compared.
const INTERVAL: Duration = Duration::from_millis(500);
/// A replica that is further behind is left alone.
const MOST_BEHIND: Duration = Duration::from_secs(10);
/// How many comparisons are remembered while the replica does not catch up.
const MARKS: usize = 120;
/// How long an answer of the replica is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long to leave a replica alone that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Bytes of log that the primary has begun to write, and that the replica shows the effects of. The first includes
/// what a commit without `synchronous_commit` has not written yet.
const WRITTEN: &str = "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
const REPLAYED: &str = "CASE WHEN pg_is_in_recovery() \
    THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint END";

/// The replica of `DATABASE_REPLICA_URL`. Cheap to clone.
#[derive(Clone)]
pub struct Replica {
    pool: Pool,
    url: SecretString,
    complete: Complete,
}

/// What the last comparison found; `None` while nothing is known.
#[derive(Debug, Clone, Default)]
struct Complete(Arc<Mutex<Option<Found>>>);

#[derive(Debug, Clone, Copy)]
struct Found {
    /// Everything that was committed before is there,
    moment: Instant,
    /// for the sessions that were open then, as many as this. One that is opened later may be the first after a crash,
    /// and a replica that comes back shows what it had on its disk.
    sessions: u64,
}

impl Complete {
    fn get(&self) -> Option<Found> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, found: Option<Found>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

impl Replica {
    /// At most `size` connections to it.
    pub fn new(url: SecretString, size: u32) -> Self {
        Self {
            pool: Pool::new(&url, size, Role::Standby),
            url,
            complete: Complete::default(),
        }
    }

    /// Reads there. `None` when the primary has to be asked: because the replica lacks something that the answer depends
    /// on, because it is busy, behind or gone.
    pub async fn read<T, F>(
        &self,
        freshness: &Freshness,
        tags: &[Tag],
        work: &Arc<F>,
    ) -> Option<Result<(T, Basis), Problem>>
    where
        T: Send + 'static,
        F: Fn(&mut PgConnection, &mut Basis) -> Result<T, Problem> + Send + Sync + 'static,
    {
        let Found {
            moment: read_at,
            sessions,
        } = self.complete.get()?;
        if read_at.elapsed() > MOST_BEHIND || !freshness.holds(read_at, tags) {
            return None;
        }
        let (pool, work) = (self.pool.clone(), Arc::clone(work));
        let tags = tags.to_vec();
        let read = move |conn: &mut PgConnection| {
            if pool.opened() != sessions {
                return Ok(None);
            }
            let mut basis = Basis { read_at, tags };
            Ok(Some((work(conn, &mut basis)?, basis)))
        };
        let answer = timeout(PATIENCE, self.pool.run_at_once(read)?).await;
        let is_down = |problem: &Problem| {
            matches!(problem.code(), Code::DatabaseUnavailable | Code::Internal)
        };
        match answer {
            // Some of what it depends on is known only now.
            Ok(Ok(Some((_, basis)))) if !freshness.holds(read_at, &basis.tags) => None,
            Ok(answer) if !answer.as_ref().is_err_and(is_down) => answer.transpose(),
            _ => {
                // Until the next comparison: by then it may be there again.
                self.complete.set(None);
                None
            }
        }
    }

    /// How many statements it was sent so far.
    pub fn statements(&self) -> u64 {
        self.pool.statements()
    }

    /// How far it is behind, in seconds: infinitely, when it does not answer.
    pub fn lag(&self) -> f64 {
        let complete = self.complete.get();
        complete.map_or(f64::INFINITY, |found| found.moment.elapsed().as_secs_f64())
    }

    /// Compares it with the primary at this URL until the follower is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn follow(&self, primary: SecretString) -> io::Result<Follower> {
        let ended = Arc::new(AtomicBool::new(false));
        let follower = Follower(Arc::clone(&ended));
        let replica = self.clone();
        thread::Builder::new()
            .name("replica".to_owned())
            .spawn(move || {
                let mut is_news = true;
                while !ended.load(Ordering::Relaxed) {
                    let Err(error) = replica.compare(&primary, &ended) else {
                        return;
                    };
                    is_news |= replica.complete.get().is_some();
                    replica.complete.set(None);
                    if is_news {
                        tracing::warn!(%error, "the replica is left alone");
                    }
                    is_news = false;
                    thread::sleep(PAUSE);
                }
            })?;
        Ok(follower)
    }

    fn compare(&self, primary: &SecretString, ended: &AtomicBool) -> Result<(), ReplicaError> {
        let mut primary = connect(primary)?;
        let mut replica = connect_to(&self.url, Role::Standby)?;
        // Where the primary was when; the first is the latest one that the replica has reached.
        let mut marks: VecDeque<(Instant, i64)> = VecDeque::new();
        while !ended.load(Ordering::Relaxed) {
            let sessions = self.pool.opened();
            let replayed = position(&mut replica, REPLAYED)?.ok_or(ReplicaError::NoReplica)?;
            let now = Instant::now();
            let written = position(&mut primary, WRITTEN)?.ok_or(ReplicaError::OtherPrimary)?;
            // The primary was asked later.
            if replayed > written {
                return Err(ReplicaError::OtherPrimary);
            }
            if marks.len() < MARKS {
                marks.push_back((now, written));
            }
            while marks.get(1).is_some_and(|(_, mark)| *mark <= replayed) {
                marks.pop_front();
            }
            if let Some((moment, mark)) = marks.front()
                && *mark <= replayed
            {
                let moment = *moment;
                self.complete.set(Some(Found { moment, sessions }));
            }
            thread::sleep(INTERVAL);
        }
        Ok(())
    }
}

/// A running comparison. It ends when this is dropped.
#[derive(Debug)]
pub struct Follower(Arc<AtomicBool>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why a replica cannot be used.
#[derive(Debug, thiserror::Error)]
enum ReplicaError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("a statement failed: {0}")]
    Query(#[from] diesel::result::Error),
    #[error("DATABASE_REPLICA_URL leads to a server that is no replica")]
    NoReplica,
    #[error("the replica has what the primary has not: it follows another one")]
    OtherPrimary,
}

fn position(conn: &mut PgConnection, expression: &str) -> QueryResult<Option<i64>> {
    diesel::select(diesel::dsl::sql::<Nullable<BigInt>>(expression)).get_result(conn)
}
