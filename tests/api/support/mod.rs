//! The harness: a store of its own for each test, people who use it, and stand-ins for the outside world.

pub mod app;
pub mod buying;
mod client;
pub mod cluster;
pub mod haproxy;
pub mod instance;
pub mod lists;
pub mod log;
pub mod pgbouncer;
pub mod program;
pub mod redis;
pub mod refunding;
pub mod replication;
pub mod service;
pub mod shop;
pub mod wire;

pub use app::TestApp;
pub use client::{Client, Reply};
pub use shop::Shop;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A `Stripe-Signature` header, made as Stripe's documentation says.
pub fn sign_stripe(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={timestamp},v1={hex}")
}
