//! What `cargo run` adds: an embedded Postgres and local stand-ins for Clerk and Stripe.

pub mod clerk;
pub mod postgres;
