//! Delivery of events to the webhook: signed, retried with back-off, or held until a test says so.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    LocalStripe,
    books::{Books, Kind},
    objects::{merge, now, text},
};

/// After this many tries in vain an event is left to the reconciler.
const MOST_ATTEMPTS: u32 = 16;
/// How often to look whether something is due, or a session has expired, when nothing is said before.
const IDLE: Duration = Duration::from_secs(15);

/// When events go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At once, in the background, with retries.
    Automatic,
    /// Only by [`LocalStripe::deliver`] and its kin.
    Held,
}

/// What the network does to automatic deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Each event arrives twice.
    pub duplicate: bool,
    /// The newest event arrives first.
    pub reorder: bool,
    /// No event arrives.
    pub lose: bool,
    /// Each event waits so long before its first try.
    pub delay: Duration,
}

/// An event that waits for its delivery.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    pub event: String,
    since: i64,
    not_before: i64,
    failed: u32,
}

impl Pending {
    pub(super) fn new(event: String) -> Self {
        Self {
            event,
            since: now(),
            not_before: 0,
            failed: 0,
        }
    }
}

/// One try to deliver an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// `evt_...`
    pub event: String,
    /// Such as `checkout.session.completed`.
    pub event_type: String,
    /// Seconds since the epoch.
    pub at: i64,
    /// The webhook's HTTP status; none when it did not answer.
    pub status: Option<u16>,
}

impl Attempt {
    /// Whether the webhook took the event: any 2xx.
    pub fn is_success(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// `t=...,v1=...` over the exact bytes that are sent. Source: <https://docs.stripe.com/webhooks/signature>.
fn signature(secret: &str, time: i64, body: &str) -> Result<String, hmac::digest::InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(format!("{time}.{body}").as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("t={time},v1={hex}"))
}

impl LocalStripe {
    /// Tries once to deliver an event, whatever happened to it before; none for an unknown event.
    pub async fn deliver(&self, event_id: &str) -> Option<Attempt> {
        let event = self.books(|books| {
            books
                .data
                .pending
                .retain(|pending| pending.event != event_id);
            books.find(Kind::Event, event_id).ok().cloned()
        })?;
        let status = self.send(&event).await;
        let event_type = text(&event, "type").to_owned();
        let attempt = Attempt {
            event: event_id.to_owned(),
            event_type,
            at: now(),
            status,
        };
        tracing::info!(
            event = event_id,
            event_type = attempt.event_type,
            status,
            "delivered an event"
        );
        self.change(|books| log_attempt(books, attempt.clone()));
        Some(attempt)
    }

    async fn send(&self, event: &Value) -> Option<u16> {
        let url = self.lock().webhook_url.clone()?;
        let body = event.to_string();
        let secret = self.0.options.webhook_secret.expose_secret();
        let signed = signature(secret, now(), &body)
            .inspect_err(|error| tracing::error!(%error, "the event could not be signed"))
            .ok()?;
        self.0
            .client
            .post(url)
            .header("Content-Type", "application/json; charset=utf-8")
            .header(
                "User-Agent",
                "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            )
            .header("Stripe-Signature", signed)
            .body(body)
            .send()
            .await
            .map(|response| response.status().as_u16())
            .inspect_err(|error| tracing::warn!(%error, "the webhook did not answer"))
            .ok()
    }

    /// Delivers what is due, for as long as the server runs.
    pub(super) async fn run_deliveries(self) {
        loop {
            // Asked for before looking, so that a change in between is not missed.
            let changed = self.0.changed.notified();
            match self.next_due() {
                Due::Now(pending, weather) => self.deliver_in(pending, weather).await,
                Due::In(wait) => {
                    // Whichever comes first, the next look tells what it was.
                    let _ = tokio::time::timeout(wait.min(IDLE), changed).await;
                }
            }
        }
    }

    async fn deliver_in(&self, pending: Pending, weather: Weather) {
        if weather.lose {
            self.drop_pending(&pending.event);
            return;
        }
        let Some(attempt) = self.deliver(&pending.event).await else {
            return;
        };
        if weather.duplicate {
            self.deliver(&pending.event).await;
        }
        let failed = pending.failed + 1;
        if !attempt.is_success() && failed < MOST_ATTEMPTS {
            // 1, 2, 4, ... seconds, at most about four minutes.
            let not_before = now() + (1 << pending.failed.min(8));
            self.change(|books| {
                books.data.pending.push(Pending {
                    not_before,
                    failed,
                    ..pending
                });
            });
        }
    }

    fn next_due(&self) -> Due {
        self.books(|_| ()); // sessions whose time has come expire whenever the books are opened
        let shared = self.lock();
        let weather = shared.weather;
        let delay = i64::try_from(weather.delay.as_secs()).unwrap_or(i64::MAX);
        let due_at =
            |pending: &Pending| pending.not_before.max(pending.since.saturating_add(delay));
        let (time, pending) = (now(), &shared.books.data.pending);
        let mut due = pending.iter().filter(|pending| due_at(pending) <= time);
        let chosen = if weather.reorder {
            due.next_back()
        } else {
            due.next()
        };
        match chosen {
            Some(pending) => Due::Now(pending.clone(), weather),
            None => {
                let wait = pending.iter().map(|pending| due_at(pending) - time).min();
                Due::In(
                    wait.and_then(|seconds| u64::try_from(seconds).ok())
                        .map_or(IDLE, Duration::from_secs),
                )
            }
        }
    }
}

enum Due {
    Now(Pending, Weather),
    In(Duration),
}

fn log_attempt(books: &mut Books, attempt: Attempt) {
    if attempt.is_success()
        && let Ok(event) = books.find_mut(Kind::Event, &attempt.event)
    {
        merge(event, json!({ "pending_webhooks": 0 }));
    }
    books
        .data
        .attempts
        .entry(attempt.event.clone())
        .or_default()
        .push(attempt);
}
