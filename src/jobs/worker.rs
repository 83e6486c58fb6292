//! The worker: takes due events and jobs under a lease, works on them, and decides what becomes of failures.
//!
//! Any number of workers on any number of instances may run. A lease that ends gives the work to somebody else,
//! so nothing is lost with a process; everything that is done twice has its effect once.

use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join_all, join3};
use tokio::sync::{Notify, watch};

use super::{Job, perform};
use crate::app::AppState;
use crate::commerce::reconcile;
use crate::domain::enums::{WebhookEventStatus, WebhookProvider};
use crate::problem::Problem;
use crate::repositories::job::{self, JobRow};
use crate::repositories::webhook_event::{self, WebhookEventRow};
use crate::webhooks::{Outcome, clerk, stripe};

/// Longer than the slowest work: a few calls to Stripe, with three slow attempts each.
const LEASE: TimeDelta = TimeDelta::seconds(120);
/// How much is taken at once.
const BATCH: i64 = 8;
/// After so many failures somebody has to look.
const MAX_ATTEMPTS: i32 = 12;
/// How often the worker looks without being called.
const POLL: Duration = Duration::from_secs(2);

/// Works until told to stop, and finishes what it has begun. Events do not wait for slow calls out: each queue
/// has a loop of its own.
pub async fn run(state: AppState, stop: watch::Receiver<bool>) {
    let events = repeat(&state.inbox_waiting, stop.clone(), || {
        handle_due_events(&state)
    });
    let jobs = repeat(&state.outbox_waiting, stop.clone(), || {
        handle_due_jobs(&state)
    });
    join3(events, jobs, reconcile::keep(&state, stop)).await;
}

/// Calls `work` until it finds nothing more, then waits to be called, for the next look, or for the end.
async fn repeat<F>(waiting: &Notify, mut stop: watch::Receiver<bool>, work: impl Fn() -> F)
where
    F: Future<Output = Result<usize, Problem>>,
{
    while !*stop.borrow() {
        let called = waiting.notified();
        match work().await {
            Ok(0) => {
                tokio::select! {
                    () = called => {}
                    () = tokio::time::sleep(POLL) => {}
                    _ = stop.changed() => {}
                }
            }
            Ok(_) => {}
            // The database is away; the log has the cause.
            Err(_) => {
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
}

/// Takes some due events and works on them. Returns how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn handle_due_events(state: &AppState) -> Result<usize, Problem> {
    let events = state
        .db
        .transaction(|conn| Ok(webhook_event::claim(conn, LEASE, BATCH)?))
        .await?;
    Ok(
        join_all(events.into_iter().map(|event| handle_event(state, event)))
            .await
            .len(),
    )
}

/// Takes some due jobs and works on them. Returns how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn handle_due_jobs(state: &AppState) -> Result<usize, Problem> {
    let jobs = state
        .db
        .transaction(|conn| Ok(job::claim(conn, LEASE, BATCH)?))
        .await?;
    Ok(join_all(jobs.into_iter().map(|job| handle_job(state, job)))
        .await
        .len())
}

#[tracing::instrument(skip_all, fields(event_id = event.event_id, kind = event.kind, attempt = event.attempts))]
async fn handle_event(state: &AppState, event: WebhookEventRow) {
    let (id, attempts) = (event.id, event.attempts);
    let live = state.config.stripe.is_live();
    let result = state
        .db
        .transaction(move |conn| {
            let Some(event) = webhook_event::lock_received(conn, id)? else {
                return Ok(());
            };
            let payload = event.payload.unwrap_or_default();
            let outcome = match event.provider {
                WebhookProvider::Stripe => stripe::apply(conn, &event.kind, &payload, live)?,
                WebhookProvider::Clerk => clerk::apply(conn, &event.kind, &payload)?,
            };
            let (status, note) = match outcome {
                Outcome::Processed => (WebhookEventStatus::Processed, None),
                Outcome::Ignored(reason) => (WebhookEventStatus::Ignored, Some(reason)),
            };
            Ok(webhook_event::finish(conn, id, status, note)?)
        })
        .await;
    match result {
        Ok(()) => {
            state.checkout_changed.notify_waiters();
            state.outbox_waiting.notify_one();
        }
        Err(problem) => {
            let (error, again) = failure(&problem, attempts);
            record(
                state
                    .db
                    .read(move |conn| Ok(webhook_event::fail(conn, id, &error, again)?))
                    .await,
            );
        }
    }
}

#[tracing::instrument(skip_all, fields(job_id = %row.id, kind = row.kind, attempt = row.attempts))]
async fn handle_job(state: &AppState, row: JobRow) {
    let result = match serde_json::from_value::<Job>(row.payload) {
        Ok(job) => perform(state, job).await,
        Err(error) => Err(Problem::internal(error)),
    };
    let id = row.id;
    let recorded = match result {
        Ok(()) => state.db.read(move |conn| Ok(job::finish(conn, id)?)).await,
        Err(problem) => {
            let (error, again) = failure(&problem, row.attempts);
            state
                .db
                .read(move |conn| Ok(job::fail(conn, id, &error, again)?))
                .await
        }
    };
    record(recorded);
}

/// What to write of a failure, and when to try again: later each time, and after the last try never.
fn failure(problem: &Problem, attempts: i32) -> (String, Option<DateTime<Utc>>) {
    let again = (attempts < MAX_ATTEMPTS).then(|| Utc::now() + back_off(attempts));
    tracing::warn!(error = %problem, ?again, "work failed");
    (problem.code().as_str().to_owned(), again)
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
