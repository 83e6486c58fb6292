//! Repair: what webhooks missed is found at the providers and taken over by the same functions that a webhook calls.
//! A pass changes nothing where nothing was missed.

mod stripe;

use std::fmt;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::people::{self, Extent};
use crate::app::AppState;
use crate::jobs::worker;
use crate::problem::{Code, Problem};
use crate::repositories::reconciler::{self, Progress};

/// How often a pass begins by itself.
const INTERVAL: TimeDelta = TimeDelta::minutes(10);
/// Longer than a pass takes; after it, another may begin although the first never said that it ended.
const LEASE: TimeDelta = TimeDelta::minutes(10);
/// How often the clock looks for those who are gone at Clerk.
const SWEEP_INTERVAL: TimeDelta = TimeDelta::days(1);
/// How often an instance looks whether a pass is due.
const LOOK: Duration = Duration::from_secs(60);

/// What a pass brought home. A second one right after it has nothing to mend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReconcileReport)]
pub struct Report {
    /// Checkouts whose status had moved.
    pub checkouts: u32,
    /// Refunds that were new or had moved.
    pub refunds: u32,
    /// Disputes that were new or had moved.
    pub disputes: u32,
    /// People who had appeared, changed or gone at Clerk.
    pub users: u32,
    /// Stripe's events that no webhook had brought.
    pub events: u32,
    /// Who did not answer: what they know was not looked at.
    pub unreachable: Vec<Provider>,
}

/// Whom the store is reconciled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReconcileProvider)]
pub enum Provider {
    Stripe,
    Clerk,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stripe => "Stripe",
            Self::Clerk => "Clerk",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            checkouts,
            refunds,
            disputes,
            users,
            events,
            ..
        } = self;
        write!(
            f,
            "mended: {checkouts} checkouts, {refunds} refunds, {disputes} disputes, {users} users; \
             fetched: {events} events"
        )
    }
}

/// Who asks for a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// The clock: what is young is left alone, and nothing happens before the next pass is due.
    Schedule,
    /// Somebody who wants to see it mended now.
    Demand,
}

/// Makes a pass, unless it is not due or another one is under way: `None` then.
///
/// # Errors
/// When the database does not answer. A provider that does not is named in the report.
pub async fn run(state: &AppState, occasion: Occasion) -> Result<Option<Report>, Problem> {
    let scheduled = occasion == Occasion::Schedule;
    let began_at = Utc::now();
    let turn = state
        .db
        .read(move |conn| Ok(reconciler::begin(conn, scheduled, LEASE)?))
        .await?;
    let Some(turn) = turn else { return Ok(None) };
    let mut report = Report::default();
    let mut progress = Progress::until(began_at + INTERVAL);
    if is_answered(stripe::ask(state, &turn, occasion, &mut report).await)? {
        progress.stripe_events_until = Some(began_at);
    } else {
        report.unreachable.push(Provider::Stripe);
    }
    if let Some(clerk) = &state.clerk {
        // Who is gone is found by going through everybody: for the clock, once a day is enough.
        let swept_at = turn.clerk_swept_at.filter(|_| scheduled);
        let is_sweep = swept_at.is_none_or(|at| at < began_at - SWEEP_INTERVAL);
        let extent = match turn.clerk_users_until {
            Some(until) if !is_sweep => Extent::Since(until),
            _ => Extent::All,
        };
        let asked = people::reconcile(state, clerk, extent, &mut report.users).await;
        if is_answered(asked)? {
            progress.clerk_users_until = Some(began_at);
            progress.clerk_swept_at = (extent == Extent::All).then_some(began_at);
        } else {
            report.unreachable.push(Provider::Clerk);
        }
    }
    // What was found may have left events and calls out behind. The clock ticks beside a worker, whose they are: two at
    // work would take twice the connections. Whoever demands a pass may be alone.
    match occasion {
        Occasion::Schedule => state.ring_if_deaf(),
        Occasion::Demand => {
            while worker::handle_due_events(state).await? + worker::handle_due_jobs(state).await?
                > 0
            {}
        }
    }
    state
        .db
        .read(move |conn| Ok(reconciler::finish(conn, &progress)?))
        .await?;
    tracing::info!(?report, "reconciled");
    Ok(Some(report))
}

/// Whether a provider has answered; what is wrong with the store itself is an error.
fn is_answered(asked: Result<(), Problem>) -> Result<bool, Problem> {
    const SILENCE: [Code; 2] = [
        Code::PaymentProviderUnavailable,
        Code::IdentityProviderUnavailable,
    ];
    match asked {
        Ok(()) => Ok(true),
        Err(problem) if SILENCE.contains(&problem.code()) => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// Makes passes as they become due, until told to stop.
pub async fn keep(state: &AppState, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = run(state, Occasion::Schedule).await {
            tracing::warn!(%error, "the pass against the providers failed");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => {}
        }
    }
}
