//! What every handler shares: bodies, queries, pages, problems, request ids, tags, repetitions.

pub mod accept;
pub mod address;
pub mod answer;
pub mod client_address;
pub mod connection;
pub mod country;
pub mod etag;
pub mod finished;
pub mod idempotency;
pub mod json;
pub mod methods;
pub mod observe;
pub mod page;
pub mod patch;
pub mod precondition;
pub mod prefer;
pub mod problems;
pub mod query;
pub mod rate_limit;
pub mod raw_body;
pub mod request_id;
pub mod security;
