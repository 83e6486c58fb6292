//! What `cargo run` adds: an embedded Postgres and local stand-ins for Clerk and Stripe.
//!
//! They are reached through the same configuration and the same code as the real ones: [`run`] only fills in
//! the variables that are not set.

pub mod clerk;
pub mod postgres;
mod run;
pub mod stripe;
mod welcome;

pub use run::{DevOptions, run};
