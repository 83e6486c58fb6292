//! The API, driven over real HTTP against real Postgres: one database for each test, cloned from a template.
//!
//! A test is a sentence about behaviour. One that answers a row of the hazards carries its id in its doc comment
//! (`/// H: C1`). Every test ends with `app.finish()`, which holds what has to be true after each of them.
#![cfg(feature = "dev")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected has to fail on the spot"
)]

mod access;
mod account;
mod any_order;
mod audit_log;
mod bad_input;
mod cache;
mod checkout;
mod checkout_outage;
mod checkout_status;
mod claim;
mod country_discount;
mod course;
mod course_section;
mod crash;
mod database_crash;
mod dispute;
mod duplicate_payment;
mod early_refund;
mod failover;
mod freshness;
mod fulfilment;
mod http;
mod large_store;
mod laws;
mod lesson;
mod listener;
mod metrics;
mod operation;
mod order;
mod overload;
mod owner_lists;
mod people;
mod pooler;
mod product;
mod product_admin;
mod progress;
mod purchase;
mod purge;
mod race;
mod reconcile;
mod refund;
mod refund_events;
mod refund_outage;
mod replica;
mod restore;
mod sales;
mod search;
mod support;
mod user;
mod webhooks;
