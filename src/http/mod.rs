//! What every handler shares: bodies, queries, pages, problems, request ids.

pub mod country;
pub mod idempotency_key;
pub mod json;
pub mod methods;
pub mod page;
pub mod patch;
pub mod prefer;
pub mod problems;
pub mod query;
pub mod request_id;
