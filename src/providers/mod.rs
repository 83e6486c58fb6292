//! The outside world: what the store asks of it, in the store's own words.

pub mod clerk;
pub mod stripe;

use std::time::Duration;

/// How long to wait after a failed attempt, counted from 1: doubling from 0.2 s, with half of it at random, so that many
/// clients do not come back together.
fn back_off(attempt: u32) -> Duration {
    let full = 200 * 2_u64.pow(attempt - 1);
    Duration::from_millis(full / 2 + fastrand::u64(0..=full / 2))
}
