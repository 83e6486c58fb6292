//! What the operator's Prometheus is told. One value for each program, held in [`AppState`]: nothing is global.
//!
//! Counters are kept as things happen. What is asked of the database is asked at the scrape, by statements whose cost
//! does not grow with the tables. No label holds anything that a caller can make up.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use tokio::time::timeout;

use crate::app::AppState;
use crate::domain::enums::WebhookProvider;
use crate::repositories::backlog;
use crate::webhooks::Outcome;
use crate::webhooks::signature::SignatureError;

type Label = (&'static str, Cow<'static, str>);
type Counters<const N: usize> = Family<[Label; N], Counter>;
type Figure = Gauge<f64, AtomicU64>;

/// How long a scrape waits for the database. Prometheus gives up after ten seconds, and then nothing is told at all.
const MEASURE_WAIT: Duration = Duration::from_secs(3);

/// The commit that the program was built of, when whoever built it said so.
const REVISION: &str = match option_env!("LECTERN_REVISION") {
    Some(revision) if !revision.is_empty() => revision,
    _ => "unknown",
};

/// Bounds of the latency histogram, in seconds.
const SECONDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// What became of work from the inbox or the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkOutcome {
    Done,
    Retried,
    Dead,
}

impl WorkOutcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Dead => "dead",
        }
    }
}

/// Calls to Stripe and Clerk, by what came of them.
#[derive(Clone, Default)]
pub struct ProviderCalls(Counters<2>);

impl ProviderCalls {
    /// Counts a call. `outcome` is a word of ours, such as `ok` or `unavailable`.
    pub fn count(&self, provider: &'static str, outcome: &'static str) {
        let labels = [("provider", provider.into()), ("outcome", outcome.into())];
        self.0.get_or_create(&labels).inc();
    }
}

/// Looks into one cache of this process.
#[derive(Clone)]
pub struct CacheLookups {
    hits: Counter,
    misses: Counter,
}

impl CacheLookups {
    /// What was asked for was there.
    pub fn hit(&self) {
        self.hits.inc();
    }

    /// It was not.
    pub fn miss(&self) {
        self.misses.inc();
    }
}

/// A histogram of times from a millisecond to seconds.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// Which latencies belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    /// The pattern, not the address: there is no end to those.
    route: String,
}

/// Which answers are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    #[prometheus(flatten)]
    route: RouteLabels,
    status: u16,
}

/// Everything that is counted and measured.
pub struct Metrics {
    registry: Registry,
    requests: Family<AnswerLabels, Counter>,
    latency: Family<RouteLabels, Histogram, fn() -> Histogram>,
    cache_lookups: Counters<2>,
    events: Counters<2>,
    ignored: Counters<2>,
    signatures_refused: Counters<2>,
    jobs: Counters<2>,
    pub provider_calls: ProviderCalls,
    queues: [Queue; 2],
    database_up: Figure,
    connections_in_use: Figure,
    connections_awaited: Figure,
    listener_current: Figure,
    rate_limiter_degraded: Figure,
    replica_lag: Figure,
}

/// How much waits in the inbox or the outbox.
struct Queue {
    waiting: Figure,
    lag: Figure,
    dead: Figure,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Adds a metric to the registry and hands it back.
fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Everything at zero. `connections` is the size of the database pool, `waits` what it measures itself.
    pub fn new(connections: u32, waits: Histogram) -> Self {
        let mut registry = Registry::with_prefix("lectern");
        let r = &mut registry;
        let build = Info::new([
            ("version", env!("CARGO_PKG_VERSION")),
            ("revision", REVISION),
        ]);
        r.register("build", "The program", build);
        let pool = add(
            r,
            "database_connections_limit",
            "Size of the pool",
            Figure::default(),
        );
        pool.set(connections.into());
        r.register(
            "database_wait_seconds",
            "How long requests waited for a connection of the pool",
            waits,
        );
        let queue = |r: &mut Registry, name: &str, what: &str| Queue {
            waiting: add(
                r,
                &format!("{name}_waiting"),
                &format!("{what} not done yet, up to 10000"),
                Figure::default(),
            ),
            lag: add(
                r,
                &format!("{name}_lag_seconds"),
                &format!("How long the oldest of the {what} has been due"),
                Figure::default(),
            ),
            dead: add(
                r,
                &format!("{name}_dead"),
                &format!("{what} given up after the last try, up to 10000"),
                Figure::default(),
            ),
        };
        Self {
            requests: add(r, "http_requests", "Requests answered", Family::default()),
            latency: add(
                r,
                "http_request_duration_seconds",
                "Until the answer begins",
                Family::new_with_constructor(seconds),
            ),
            cache_lookups: add(
                r,
                "cache_lookups",
                "Looks into a cache, by whether what was asked for was there",
                Family::default(),
            ),
            events: add(
                r,
                "webhook_events",
                "Webhook events, by what became of an attempt",
                Family::default(),
            ),
            ignored: add(
                r,
                "webhook_events_ignored",
                "Webhook events that are not for this store or say nothing that it needs",
                Family::default(),
            ),
            signatures_refused: add(
                r,
                "webhook_signatures_refused",
                "Deliveries not believed",
                Family::default(),
            ),
            jobs: add(
                r,
                "jobs",
                "Jobs, by what became of an attempt",
                Family::default(),
            ),
            provider_calls: ProviderCalls(add(
                r,
                "provider_calls",
                "Attempts to call a provider",
                Family::default(),
            )),
            queues: [
                queue(r, "inbox", "webhook events"),
                queue(r, "outbox", "jobs"),
            ],
            database_up: add(
                r,
                "database_up",
                "Whether the database answered this scrape",
                Figure::default(),
            ),
            connections_in_use: add(
                r,
                "database_connections_in_use",
                "Connections of the pool in use",
                Figure::default(),
            ),
            connections_awaited: add(
                r,
                "database_connections_awaited",
                "Who waits for a connection of the pool",
                Figure::default(),
            ),
            listener_current: add(
                r,
                "listener_current",
                "Whether commits of other instances are heard",
                Figure::default(),
            ),
            rate_limiter_degraded: add(
                r,
                "rate_limiter_degraded",
                "Whether Redis is configured but silent, so that this instance counts for itself",
                Figure::default(),
            ),
            replica_lag: add(
                r,
                "replica_lag_seconds",
                "How long ago the replica had everything that the database had",
                Figure::default(),
            ),
            registry,
        }
    }

    /// An event was handled.
    pub fn event_handled(&self, provider: WebhookProvider, outcome: Outcome) {
        let provider = ("provider", Cow::from(provider.label()));
        let outcome = match outcome {
            Outcome::Processed => "processed",
            Outcome::Ignored(reason) => {
                let labels = [provider.clone(), ("reason", reason.into())];
                self.ignored.get_or_create(&labels).inc();
                "ignored"
            }
        };
        let labels = [provider, ("outcome", outcome.into())];
        self.events.get_or_create(&labels).inc();
    }

    /// An event was not handled.
    pub fn event_failed(&self, provider: WebhookProvider, outcome: WorkOutcome) {
        let labels = [
            ("provider", provider.label().into()),
            ("outcome", outcome.label().into()),
        ];
        self.events.get_or_create(&labels).inc();
    }

    /// An attempt at a job came to an end.
    pub fn job(&self, kind: &str, outcome: WorkOutcome) {
        let labels = [
            ("kind", Cow::from(kind.to_owned())),
            ("outcome", outcome.label().into()),
        ];
        self.jobs.get_or_create(&labels).inc();
    }

    /// A delivery was refused.
    pub fn signature_refused(&self, provider: WebhookProvider, error: SignatureError) {
        let reason = match error {
            SignatureError::Missing => "missing",
            SignatureError::Malformed => "malformed",
            SignatureError::Mismatch => "mismatch",
            SignatureError::Expired => "expired",
        };
        let labels = [
            ("provider", provider.label().into()),
            ("reason", reason.into()),
        ];
        self.signatures_refused.get_or_create(&labels).inc();
    }

    /// The counters of a cache, to be kept by it.
    pub fn cache(&self, name: &'static str) -> CacheLookups {
        let of = |outcome: &'static str| {
            let labels = [("cache", name.into()), ("outcome", outcome.into())];
            self.cache_lookups.get_or_create_owned(&labels)
        };
        CacheLookups {
            hits: of("hit"),
            misses: of("miss"),
        }
    }

    /// A request was answered. `route` is the pattern that it matched.
    pub fn request(&self, method: &'static str, route: String, status: u16, seconds: f64) {
        let route = RouteLabels { method, route };
        self.latency.get_or_create(&route).observe(seconds);
        let answer = AnswerLabels { route, status };
        self.requests.get_or_create(&answer).inc();
    }
}

/// Everything in Prometheus' text format (OpenMetrics 1.0), with the figures of this moment. Without a database the
/// rest is told all the same.
pub async fn scrape(state: &AppState) -> String {
    let metrics = &state.metrics;
    let (in_use, awaited) = state.db.load();
    metrics.connections_in_use.set(in_use.into());
    metrics.connections_awaited.set(awaited.into());
    metrics
        .listener_current
        .set(f64::from(state.hearing.is_current()));
    metrics
        .rate_limiter_degraded
        .set(f64::from(state.rate_limiter.is_degraded()));
    if let Some(replica) = state.db.replica() {
        metrics.replica_lag.set(replica.lag());
    }
    let measured = state.db.read_patiently(|conn| Ok(backlog::measure(conn)?));
    let backlogs = timeout(MEASURE_WAIT, measured).await;
    metrics.database_up.set(f64::from(state.db.is_up()));
    if let Ok(Ok(backlogs)) = backlogs {
        for (queue, backlog) in metrics.queues.iter().zip(backlogs) {
            queue.waiting.set(backlog.waiting);
            queue.lag.set(backlog.lag_seconds);
            queue.dead.set(backlog.dead);
        }
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &metrics.registry);
    text
}
