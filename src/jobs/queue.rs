//! Keeps the places of a queue busy: takes work under a lease, a little ahead, and begins it as places get free.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::app::AppState;
use crate::problem::Problem;

/// How often a queue is looked at without a call: for what was put off, and for calls that were missed.
const POLL: Duration = Duration::from_secs(2);

/// Rows that are worked on, in the database.
pub trait Queue {
    type Item: Send + 'static;
    /// How many are worked on at once.
    const PLACES: usize;
    /// How many are held under a lease at once, those in work included.
    const AHEAD: usize;
    /// How few of them are left when more are taken.
    const REFILL: usize;

    /// Rung when there may be something to do.
    fn waiting(state: &AppState) -> &Notify;

    /// Takes up to `limit` due ones.
    fn claim(
        state: &AppState,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Self::Item>, Problem>> + Send;

    /// Works on one and records what became of it.
    fn work(state: AppState, item: Self::Item) -> impl Future<Output = ()> + Send + 'static;

    /// Gives back what was not begun.
    fn release(state: &AppState, items: Vec<Self::Item>) -> impl Future<Output = ()> + Send;
}

/// Works until told to stop; then gives back what is not begun, and finishes what is.
pub async fn run<Q: Queue>(state: &AppState, mut stop: watch::Receiver<bool>) {
    let mut taken = VecDeque::new();
    let mut working = JoinSet::new();
    let mut maybe_more = true;
    let mut next_look = Instant::now() + POLL;
    while !*stop.borrow_and_update() {
        let held = taken.len() + working.len();
        if maybe_more && held <= Q::REFILL {
            let limit = Q::AHEAD - held;
            // When the database is away, the log has the cause and the next look comes.
            let more = Q::claim(state, limit).await.unwrap_or_default();
            maybe_more = more.len() == limit;
            taken.extend(more);
        }
        while working.len() < Q::PLACES
            && let Some(item) = taken.pop_front()
        {
            working.spawn(Q::work(state.clone(), item));
        }
        tokio::select! {
            Some(_) = working.join_next() => {}
            () = Q::waiting(state).notified() => maybe_more = true,
            () = sleep_until(next_look) => {
                maybe_more = true;
                next_look = Instant::now() + POLL;
            }
            _ = stop.changed() => {}
        }
    }
    if !taken.is_empty() {
        Q::release(state, taken.into()).await;
    }
    while working.join_next().await.is_some() {}
}

/// Takes some due ones and works on them. Returns how many there were.
///
/// # Errors
/// When the database does not answer.
pub async fn run_once<Q: Queue>(state: &AppState) -> Result<usize, Problem> {
    let items = Q::claim(state, Q::AHEAD).await?;
    let count = items.len();
    stream::iter(items)
        .for_each_concurrent(Q::PLACES, |item| Q::work(state.clone(), item))
        .await;
    Ok(count)
}
