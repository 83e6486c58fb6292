//! The mechanisms that every handler shares: repetitions, tags, limits, headers.

mod etag;
mod headers;
mod idempotency;
mod rate_limit;
mod unreadable;
