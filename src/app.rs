//! The state that handlers share, and the one assembly of routes and middleware for production and tests alike.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header;
use actix_web::middleware::{Compress, NormalizePath, TrailingSlash, from_fn};
use actix_web::{App, Error, web};
use tokio::sync::{Mutex, MutexGuard, Notify, watch};
use tokio::time::timeout;
use utoipa_actix_web::service_config::ServiceConfig;
use uuid::Uuid;

use crate::auth::keys::KeyTimings;
use crate::auth::still;
use crate::auth::token::{Verifier, VerifierConfig};
use crate::cache::Cache;
use crate::config::Config;
use crate::db::{Db, Follower};
use crate::freshness::{self, Freshness};
use crate::http::idempotency::IDEMPOTENCY_REPLAYED;
use crate::http::rate_limit::{self, RATE_LIMIT, RATE_LIMIT_POLICY, RateLimiter};
use crate::http::raw_body::Room;
use crate::http::request_id::X_REQUEST_ID;
use crate::http::{address, etag, idempotency, methods, observe, problems, security};
use crate::listener::{Hearing, Listener, Notice};
use crate::metrics::Metrics;
use crate::openapi::{self, Served};
use crate::problem::{Code, Problem};
use crate::providers::clerk::Clerk;
use crate::providers::stripe::Stripe;
use crate::router;
use crate::ticking::Ticking;

/// What every handler can reach. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of [`AppState`].
pub struct Inner {
    pub config: Config,
    pub db: Db,
    /// What was read from it and still holds.
    pub cache: Cache,
    /// Where lessons are ticked off.
    pub ticking: Ticking,
    pub verifier: Verifier,
    pub stripe: Stripe,
    pub rate_limiter: RateLimiter,
    /// `None` without a key for Clerk's API.
    pub clerk: Option<Clerk>,
    pub metrics: Metrics,
    /// Whether the commits of other instances are heard.
    pub hearing: Hearing,
    /// What they, and those of this one, have changed.
    pub freshness: Freshness,
    /// Rung when an event was committed, so that the worker need not wait for its next look.
    pub inbox_waiting: Notify,
    /// Rung when a job was committed.
    pub outbox_waiting: Notify,
    /// Rung when a checkout changed, for those who wait for one.
    pub checkout_changed: Notify,
    /// For the bodies of webhooks while they arrive.
    pub webhook_room: Room,
    /// Whether the program was told to end.
    pub stopping: watch::Sender<bool>,
    checkout_locks: Vec<Mutex<()>>,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The channels of the triggers in the migrations.
const INBOX: &str = "lectern_inbox";
const OUTBOX: &str = "lectern_outbox";
const CHECKOUT: &str = "lectern_checkout";

/// How long a call out may take in all.
const OUTBOUND_TIMEOUT: Duration = Duration::from_secs(15);
/// How long opening a connection for it may take.
const OUTBOUND_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a request waits while another one talks to Stripe about the same checkout.
const CHECKOUT_LOCK_WAIT: Duration = Duration::from_secs(10);

impl AppState {
    /// Puts the parts together. Nothing is connected yet.
    ///
    /// # Errors
    /// When the TLS part of the HTTP client cannot be set up.
    pub fn new(config: Config) -> Result<Self, reqwest::Error> {
        // One client for all calls out: it pools connections and follows no redirects.
        let http = reqwest::Client::builder()
            .timeout(OUTBOUND_TIMEOUT)
            .connect_timeout(OUTBOUND_CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("lectern/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let verifier = VerifierConfig {
            issuer: config.clerk.issuer.clone(),
            jwks_url: config.clerk.jwks_url.clone(),
            authorized_parties: config.clerk.authorized_parties.clone(),
            require_azp: config.clerk.require_azp,
            key_timings: KeyTimings::default(),
        };
        let hearing = Hearing::default();
        let freshness = Freshness::new(hearing.clone());
        let db = Db::new(&config, freshness.clone());
        let metrics = Metrics::new(config.database_pool_size, db.waits());
        let cache = Cache::new(config.cache_bytes, db.clone(), &freshness, &metrics);
        Ok(Self(Arc::new(Inner {
            ticking: Ticking::new(db.clone(), cache.clone(), freshness.clone()),
            cache,
            db,
            verifier: Verifier::new(verifier, http.clone()),
            clerk: Clerk::new(&config.clerk, http.clone(), metrics.provider_calls.clone()),
            stripe: Stripe::new(&config.stripe, http, metrics.provider_calls.clone()),
            metrics,
            hearing,
            freshness,
            rate_limiter: RateLimiter::new(&config),
            inbox_waiting: Notify::new(),
            outbox_waiting: Notify::new(),
            checkout_changed: Notify::new(),
            webhook_room: Room::default(),
            stopping: watch::Sender::new(false),
            checkout_locks: (0..64).map(|_| Mutex::new(())).collect(),
            config,
        })))
    }

    /// Passes on what other instances, and this one, commit, until the listener is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn listen(&self) -> io::Result<Listener> {
        let state = self.clone();
        let hear = move |notice: Notice<'_>| match notice {
            Notice::Heard { channel: INBOX, .. } => state.inbox_waiting.notify_one(),
            Notice::Heard {
                channel: OUTBOX, ..
            } => state.outbox_waiting.notify_one(),
            Notice::Heard {
                channel: CHECKOUT, ..
            } => state.checkout_changed.notify_waiters(),
            Notice::Heard { .. } | Notice::Lost => state.freshness.hear(notice),
            Notice::Began => {
                state.freshness.hear(notice);
                // What came in between was missed.
                state.ring();
            }
        };
        let url = self.config.direct_url().clone();
        let speaking = self.config.database_url.clone();
        let channels = &[INBOX, OUTBOX, CHECKOUT, freshness::CHANGED];
        Listener::start(url, speaking, self.hearing.clone(), channels, hear)
    }

    /// Finds out again and again what the replica has, if there is one, until the follower is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn follow_replica(&self) -> io::Result<Option<Follower>> {
        let primary = self.config.direct_url();
        let replica = self.db.replica();
        replica
            .map(|replica| replica.follow(primary.clone()))
            .transpose()
    }

    /// Calls everybody who waits for a commit of this instance. The listener does so by itself, for what has really
    /// changed; without one they would wait for their next look.
    pub fn ring_if_deaf(&self) {
        if !self.hearing.is_current() {
            self.ring();
        }
    }

    fn ring(&self) {
        self.inbox_waiting.notify_one();
        self.outbox_waiting.notify_one();
        self.checkout_changed.notify_waiters();
    }

    /// The lock under which this instance talks to Stripe about a checkout. Other instances are held back by
    /// the idempotency key alone.
    ///
    /// # Errors
    /// 503 when Stripe keeps those before waiting for too long.
    pub async fn lock_checkout(&self, id: Uuid) -> Result<MutexGuard<'_, ()>, Problem> {
        let [first, ..] = *id.as_bytes();
        let slot = usize::from(first) % self.checkout_locks.len();
        let lock = self
            .checkout_locks
            .get(slot)
            .ok_or_else(|| Problem::internal("no checkout locks"))?;
        let guard = timeout(CHECKOUT_LOCK_WAIT, lock.lock()).await;
        guard.map_err(|_| Problem::unavailable(Code::PaymentProviderUnavailable, 5))
    }
}

/// Routes beside the API's own, which only development has.
pub type Extra = Arc<dyn Fn(&mut ServiceConfig) + Send + Sync>;

/// The application: every route and all middleware, outermost last.
pub fn app(
    state: AppState,
    document: web::Data<Served>,
    extra: &Extra,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let cors = cors(&state.config);
    App::new()
        .configure(router::routes)
        .configure(|config| extra(&mut ServiceConfig::new(config)))
        .configure(openapi::serve)
        .app_data(web::Data::new(state))
        .app_data(document)
        .app_data(
            web::PathConfig::default().error_handler(|_, _| Problem::new(Code::NotFound).into()),
        )
        .default_service(web::to(problems::unmatched))
        .wrap(from_fn(still::may_still))
        .wrap(from_fn(methods::head_as_get))
        .wrap(from_fn(etag::conditional))
        .wrap(from_fn(idempotency::once))
        .wrap(from_fn(address::spelt_plainly))
        .wrap(from_fn(rate_limit::limit))
        .wrap(cors)
        .wrap(NormalizePath::new(TrailingSlash::Trim))
        .wrap(from_fn(problems::render))
        .wrap(Compress::default())
        .wrap(from_fn(problems::render_unacceptable))
        .wrap(from_fn(security::protect))
        .wrap(from_fn(etag::coded))
        .wrap(from_fn(observe::observe))
}

fn cors(config: &Config) -> Cors {
    let origins = config.cors_origins.clone();
    Cors::default()
        .allowed_origin_fn(move |origin, _| {
            origin.to_str().is_ok_and(|origin| origins.allows(origin))
        })
        .allowed_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_any_header()
        .expose_headers([
            header::ETAG,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            IDEMPOTENCY_REPLAYED,
            RATE_LIMIT,
            RATE_LIMIT_POLICY,
            X_REQUEST_ID,
        ])
        .max_age(3600)
}
