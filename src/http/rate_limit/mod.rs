//! Rate limits: so many requests a minute for an address or a person, told in `RateLimit` and `RateLimit-Policy`.
//! <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10>
//!
//! The generic cell rate algorithm: a full bucket of `q` requests, of which one comes back every `60/q` seconds. Who is
//! signed in is read off the token alone; a bad token counts against the address. Providers and probes are let through.

mod local;
mod shared;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use self::local::LocalBuckets;
use self::shared::SharedBuckets;
use super::client_address;
use crate::app::AppState;
use crate::auth::extractors::sender;
use crate::config::Config;
use crate::problem::Problem;

/// How much of each quota is left (draft 10, section 4).
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The quotas themselves (draft 10, section 3).
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// In which every quota is filled, in seconds.
const WINDOW: u32 = 60;

/// What is counted, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Requests without a good token, for each client address.
    Anonymous,
    /// Requests with one, for each person.
    User,
    /// Checkouts that are opened, for each person.
    Checkout,
}

impl Policy {
    /// As the headers and the metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::User => "user",
            Self::Checkout => "checkout",
        }
    }
}

/// Requests a minute, of each policy.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    pub anonymous: NonZeroU32,
    pub user: NonZeroU32,
    pub checkout: NonZeroU32,
}

impl Quotas {
    const fn of(&self, policy: Policy) -> NonZeroU32 {
        match policy {
            Policy::Anonymous => self.anonymous,
            Policy::User => self.user,
            Policy::Checkout => self.checkout,
        }
    }
}

/// What a bucket says to one more request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// So many more may follow at once.
    Passed { remaining: u32 },
    /// None before so long.
    Refused { wait: Duration },
}

/// Every bucket: at Redis when it is configured and answers, in this process otherwise.
pub struct RateLimiter {
    quotas: Quotas,
    local: LocalBuckets,
    shared: Option<SharedBuckets>,
    refused: AtomicU64,
}

impl RateLimiter {
    /// Full buckets. Redis is not asked before the first request.
    pub fn new(config: &Config) -> Self {
        Self {
            quotas: config.rate_limits,
            local: LocalBuckets::new(&config.rate_limits),
            shared: config.redis_url.clone().map(SharedBuckets::new),
            refused: AtomicU64::new(0),
        }
    }

    /// How many requests were refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether Redis is configured but does not answer, so that each instance counts for itself.
    pub fn is_degraded(&self) -> bool {
        self.shared.as_ref().is_some_and(SharedBuckets::is_down)
    }

    async fn take(&self, policy: Policy, who: &str) -> Verdict {
        let quota = self.quotas.of(policy);
        let key = format!("{}:{who}", policy.name());
        let shared = match &self.shared {
            Some(shared) => shared.take(&key, quota).await,
            None => None,
        };
        let verdict = shared.unwrap_or_else(|| self.local.take(policy, key));
        if matches!(verdict, Verdict::Refused { .. }) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            tracing::info!(policy = policy.name(), "rate limited");
        }
        verdict
    }
}

/// Whether requests are counted at an address.
pub fn is_limited(path: &str) -> bool {
    !["/healthz", "/readyz", "/metrics", "/v1/webhooks/", "/dev/"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// Whether a request opens a checkout.
pub fn is_checkout(method: &Method, path: &str) -> bool {
    method == Method::POST && path == "/v1/checkout/sessions"
}

/// Middleware around the handlers: 429 to who asks too often.
pub async fn limit<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let state = request.app_data::<web::Data<AppState>>().cloned();
    let Some(state) = state.filter(|_| is_limited(request.path())) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let limiter = &state.rate_limiter;
    let mut told = Told::default();
    for (policy, who) in buckets(&request, &state).await {
        let quota = limiter.quotas.of(policy);
        let verdict = limiter.take(policy, &who).await;
        told.add(policy, quota, verdict);
        if let Verdict::Refused { wait } = verdict {
            let problem = Problem::rate_limited(whole_seconds(wait));
            let mut response = request.into_response(problem.error_response());
            told.write(response.headers_mut());
            return Ok(response.map_into_right_body());
        }
    }
    let mut response = next.call(request).await?;
    told.write(response.headers_mut());
    Ok(response.map_into_left_body())
}

/// Which buckets a request takes from.
async fn buckets(request: &ServiceRequest, state: &AppState) -> Vec<(Policy, String)> {
    let Ok(Some(claims)) = sender(request.request()).await else {
        let address = client_address::of(request.peer_addr(), request.headers(), &state.config);
        let who = address.map(|address| client_address::network(address).to_string());
        return vec![(Policy::Anonymous, who.unwrap_or_default())];
    };
    let mut buckets = vec![(Policy::User, claims.sub.clone())];
    if is_checkout(request.method(), request.path()) {
        buckets.push((Policy::Checkout, claims.sub.clone()));
    }
    buckets
}

/// The two headers, as structured fields (RFC 9651).
#[derive(Default)]
struct Told {
    policies: Vec<String>,
    limits: Vec<String>,
}

impl Told {
    fn add(&mut self, policy: Policy, quota: NonZeroU32, verdict: Verdict) {
        let name = policy.name();
        let remaining = match verdict {
            Verdict::Passed { remaining } => remaining,
            Verdict::Refused { .. } => 0,
        };
        let used = quota.get().saturating_sub(remaining);
        let full_in = Duration::from_secs(u64::from(WINDOW) * u64::from(used)) / quota.get();
        self.policies
            .push(format!("\"{name}\";q={quota};w={WINDOW}"));
        self.limits.push(format!(
            "\"{name}\";r={remaining};t={}",
            whole_seconds(full_in)
        ));
    }

    fn write(&self, headers: &mut HeaderMap) {
        for (name, items) in [
            (RATE_LIMIT_POLICY, &self.policies),
            (RATE_LIMIT, &self.limits),
        ] {
            if let Ok(value) = HeaderValue::try_from(items.join(", ")) {
                headers.insert(name, value);
            }
        }
    }
}

/// Rounded up.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}
