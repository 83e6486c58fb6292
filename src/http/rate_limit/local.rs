//! Buckets of this process.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::{Policy, Quotas, Verdict, WINDOW};

type Buckets =
    RateLimiter<String, HashMapStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// After so many requests, full buckets are thrown away.
const TIDY_AFTER: u32 = 10_000;

pub struct LocalBuckets {
    anonymous: Buckets,
    user: Buckets,
    checkout: Buckets,
    taken: AtomicU32,
}

impl LocalBuckets {
    pub fn new(quotas: &Quotas) -> Self {
        Self {
            anonymous: buckets(quotas.anonymous),
            user: buckets(quotas.user),
            checkout: buckets(quotas.checkout),
            taken: AtomicU32::new(0),
        }
    }

    pub fn take(&self, policy: Policy, key: String) -> Verdict {
        let buckets = match policy {
            Policy::Anonymous => &self.anonymous,
            Policy::User => &self.user,
            Policy::Checkout => &self.checkout,
        };
        if self.taken.fetch_add(1, Ordering::Relaxed) % TIDY_AFTER == TIDY_AFTER - 1 {
            buckets.retain_recent();
        }
        match buckets.check_key(&key) {
            Ok(state) => Verdict::Passed {
                remaining: state.remaining_burst_capacity(),
            },
            Err(not_until) => Verdict::Refused {
                wait: not_until.wait_time_from(DefaultClock::default().now()),
            },
        }
    }
}

fn buckets(quota: NonZeroU32) -> Buckets {
    let period = Duration::from_secs(WINDOW.into()) / quota.get();
    let quota = Quota::with_period(period)
        .unwrap_or(Quota::per_minute(quota))
        .allow_burst(quota);
    RateLimiter::hashmap(quota).with_middleware()
}
