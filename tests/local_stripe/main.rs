//! The local Stripe by itself, over real HTTP on a free port: what it answers, what it sends, and that Stripe's own
//! types can read all of it. A test is a sentence about behaviour.
#![cfg(feature = "dev")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected has to fail on the spot"
)]

mod amounts;
mod api;
mod delivery;
mod disputes;
mod faults;
mod idempotency;
mod listing;
mod pages;
mod payments;
mod refunds;
mod sessions;
mod state;
mod support;
mod types;
