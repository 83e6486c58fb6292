//! The worker: what is done with events and jobs that are due, and what becomes of failures.
//!
//! Any number of workers on any number of instances may run. A lease that ends gives the work to somebody else,
//! so nothing is lost with a process; everything that is done twice has its effect once.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use futures_util::FutureExt;
use futures_util::future::join4;
use tokio::sync::{Notify, watch};

use super::queue::{self, Queue};
use super::{Job, maintenance, perform};
use crate::app::AppState;
use crate::commerce::reconcile;
use crate::domain::enums::{WebhookEventStatus, WebhookProvider};
use crate::metrics::WorkOutcome;
use crate::problem::Problem;
use crate::repositories::job::{self, JobRow};
use crate::repositories::webhook_event::{self, WebhookEventWork};
use crate::webhooks::{Outcome, clerk, origin, stripe};

/// Longer than the slowest work: a few calls to Stripe, with three slow attempts each.
const LEASE: Duration = Duration::from_secs(120);
/// After so many failures somebody has to look.
const MAX_ATTEMPTS: i32 = 12;
/// What is written of work that never came to an end, however often it was begun.
const ABANDONED: &str = "abandoned: every worker that began it ended before it did";

/// Works until told to stop, and finishes what it has begun. Events do not wait for slow calls out: each queue
/// has places of its own.
pub async fn run(state: AppState, stop: watch::Receiver<bool>) {
    let events = queue::run::<Inbox>(&state, stop.clone());
    let jobs = queue::run::<Outbox>(&state, stop.clone());
    let tidying = maintenance::run(&state, stop.clone());
    join4(events, jobs, tidying, reconcile::keep(&state, stop)).await;
}

/// Takes some due events and works on them. Returns how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn handle_due_events(state: &AppState) -> Result<usize, Problem> {
    queue::run_once::<Inbox>(state).await
}

/// Takes some due jobs and works on them. Returns how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn handle_due_jobs(state: &AppState) -> Result<usize, Problem> {
    queue::run_once::<Outbox>(state).await
}

/// Stored events. They need the database only, so few places do, and leave connections to requests.
struct Inbox;

impl Queue for Inbox {
    type Item = WebhookEventWork;
    const PLACES: usize = 4;
    const AHEAD: usize = 32;
    const REFILL: usize = 16;

    fn waiting(state: &AppState) -> &Notify {
        &state.inbox_waiting
    }

    async fn claim(state: &AppState, limit: usize) -> Result<Vec<WebhookEventWork>, Problem> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let claim = move |conn: &mut PgConnection| Ok(webhook_event::claim(conn, LEASE, limit)?);
        state.db.read(claim).await
    }

    async fn work(state: AppState, event: WebhookEventWork) {
        handle_event(&state, event).await;
    }

    async fn release(state: &AppState, events: Vec<WebhookEventWork>) {
        let ids: Vec<_> = events.into_iter().map(|event| event.id).collect();
        let released = state
            .db
            .read(move |conn| Ok(webhook_event::release(conn, &ids)?));
        record(released.await);
    }
}

/// Calls to the outside world, which wait for answers most of the time. None is held that is not in work: it could
/// outlast its lease behind slow ones.
struct Outbox;

impl Queue for Outbox {
    type Item = JobRow;
    const PLACES: usize = 8;
    const AHEAD: usize = Self::PLACES;
    const REFILL: usize = Self::PLACES - 1;

    fn waiting(state: &AppState) -> &Notify {
        &state.outbox_waiting
    }

    async fn claim(state: &AppState, limit: usize) -> Result<Vec<JobRow>, Problem> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let claim = move |conn: &mut PgConnection| Ok(job::claim(conn, LEASE, limit)?);
        state.db.read(claim).await
    }

    async fn work(state: AppState, row: JobRow) {
        handle_job(&state, row).await;
    }

    async fn release(state: &AppState, rows: Vec<JobRow>) {
        let ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
        record(
            state
                .db
                .read(move |conn| Ok(job::release(conn, &ids)?))
                .await,
        );
    }
}

#[tracing::instrument(skip_all, fields(event_id = event.event_id, kind = event.kind, attempt = event.attempts))]
async fn handle_event(state: &AppState, event: WebhookEventWork) {
    let (id, provider, attempts) = (event.id, event.provider, event.attempts);
    let failed = if attempts > MAX_ATTEMPTS {
        Failure::abandoned()
    } else {
        match apply(state, event).await {
            Ok(outcome) => {
                if let Some(outcome) = outcome {
                    state.metrics.event_handled(provider, outcome);
                }
                state.ring_if_deaf();
                return;
            }
            Err(problem) => Failure::of(&problem, attempts),
        }
    };
    state.metrics.event_failed(provider, failed.outcome());
    let fail = move |conn: &mut PgConnection| {
        Ok(webhook_event::fail(
            conn,
            id,
            &failed.error,
            failed.again_at,
        )?)
    };
    record(state.db.read(fail).await);
}

/// The effect of an event and the mark that it was handled, in one transaction; `None` when it was handled already.
async fn apply(state: &AppState, event: WebhookEventWork) -> Result<Option<Outcome>, Problem> {
    let live = state.config.stripe.is_live();
    let issuer = state.config.clerk.issuer.clone();
    let work = move |conn: &mut PgConnection| {
        if !webhook_event::lock_received(conn, event.id)? {
            return Ok(None);
        }
        let payload = event.payload.unwrap_or_default();
        let outcome = match origin::foreign(conn, event.provider, &issuer, &payload)? {
            Some(reason) => Outcome::Ignored(reason),
            None => match event.provider {
                WebhookProvider::Stripe => stripe::apply(conn, &event.kind, &payload, live)?,
                WebhookProvider::Clerk => clerk::apply(conn, &event.kind, &payload)?,
            },
        };
        let (status, note) = match outcome {
            Outcome::Processed => (WebhookEventStatus::Processed, None),
            Outcome::Ignored(reason) => (WebhookEventStatus::Ignored, Some(reason)),
        };
        webhook_event::finish(conn, event.id, status, note)?;
        Ok(Some(outcome))
    };
    state.db.transaction(work).await
}

#[tracing::instrument(skip_all, fields(job_id = %row.id, kind = row.kind, attempt = row.attempts))]
async fn handle_job(state: &AppState, row: JobRow) {
    let JobRow {
        id, kind, attempts, ..
    } = row;
    let failed = if attempts > MAX_ATTEMPTS {
        Failure::abandoned()
    } else {
        // What cannot be read may be a newer version's, which takes it next: it is put off like any other failure.
        let result = match serde_json::from_value::<Job>(row.payload) {
            Ok(job) => AssertUnwindSafe(perform(state, job))
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Err(Problem::internal("the job panicked"))),
            Err(error) => Err(Problem::internal(error)),
        };
        match result {
            Ok(()) => {
                state.metrics.job(&kind, WorkOutcome::Done);
                record(state.db.read(move |conn| Ok(job::finish(conn, id)?)).await);
                return;
            }
            Err(problem) => Failure::of(&problem, attempts),
        }
    };
    state.metrics.job(&kind, failed.outcome());
    let fail =
        move |conn: &mut PgConnection| Ok(job::fail(conn, id, &failed.error, failed.again_at)?);
    record(state.db.read(fail).await);
}

/// What to write of a failure, and when to try again: later each time, and after the last try never.
struct Failure {
    error: String,
    again_at: Option<DateTime<Utc>>,
}

impl Failure {
    fn of(problem: &Problem, attempts: i32) -> Self {
        let again_at = (attempts < MAX_ATTEMPTS).then(|| Utc::now() + back_off(attempts));
        tracing::warn!(error = %problem, ?again_at, "work failed");
        Self {
            error: problem.code().as_str().to_owned(),
            again_at,
        }
    }

    /// Of work that was taken once too often: it ends its worker, or outlasts every lease.
    fn abandoned() -> Self {
        tracing::error!("work was abandoned");
        Self {
            error: ABANDONED.to_owned(),
            again_at: None,
        }
    }

    const fn outcome(&self) -> WorkOutcome {
        match self.again_at {
            Some(_) => WorkOutcome::Retried,
            None => WorkOutcome::Dead,
        }
    }
}

/// Doubling from 2 s up to an hour, with half of it at random.
fn back_off(attempts: i32) -> TimeDelta {
    let full = 2000 * 2_i64.pow(attempts.clamp(0, 11).unsigned_abs());
    let full = full.min(3_600_000);
    TimeDelta::milliseconds(full / 2 + fastrand::i64(0..=full / 2))
}

/// A result that could not be recorded is no loss: the lease ends and the work is done again.
fn record(recorded: Result<(), Problem>) {
    if let Err(error) = recorded {
        tracing::warn!(%error, "a result could not be recorded; the work will be repeated");
    }
}
