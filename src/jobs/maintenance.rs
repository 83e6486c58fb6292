//! What is thrown away once nobody needs it: payloads of events that were handled, and jobs that are done.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use crate::app::AppState;
use crate::problem::Problem;
use crate::repositories::{job, webhook_event};

/// How often a worker tidies up. Several may do so at once.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// How long the payload of an event that was handled is kept: as far back as Stripe lists its events.
const HANDLED_PAYLOADS: TimeDelta = TimeDelta::days(30);
/// How long that of a dead one is: somebody has to look at it first.
const DEAD_PAYLOADS: TimeDelta = TimeDelta::days(90);
/// How long a job that is done stays to be looked at.
const DONE_JOBS: TimeDelta = TimeDelta::days(7);
/// How much is thrown away by one statement, so that none holds many rows for long.
const BATCH: i64 = 500;

/// Tidies up at the start and every hour, until told to stop.
pub async fn run(state: &AppState, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        match tidy(state, Utc::now()).await {
            Ok((0, 0)) => {}
            Ok((payloads, jobs)) => tracing::info!(payloads, jobs, "tidied up"),
            Err(error) => tracing::warn!(%error, "tidying up failed; the next time comes"),
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Throws away what is old at `time`, in small batches. Returns how many payloads and how many jobs.
///
/// # Errors
/// When the database does not answer; what was thrown away until then is.
pub async fn tidy(state: &AppState, time: DateTime<Utc>) -> Result<(usize, usize), Problem> {
    let mut done = (0, 0);
    loop {
        let (payloads, jobs) = state
            .db
            .read(move |conn| {
                let handled = time - HANDLED_PAYLOADS;
                let dead = time - DEAD_PAYLOADS;
                let payloads = webhook_event::forget_payloads(conn, handled, dead, BATCH)?;
                let jobs = job::remove_done(conn, time - DONE_JOBS, BATCH)?;
                Ok((payloads, jobs))
            })
            .await?;
        done = (done.0 + payloads, done.1 + jobs);
        if payloads + jobs == 0 {
            return Ok(done);
        }
    }
}
