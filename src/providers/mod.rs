//! The outside world: what the store asks of it, in the store's own words.

pub mod clerk;
pub mod stripe;
