//! Lectern: the backend of a course store. This file is the map of the house.
//!
//! A request goes from [`router`] through extractors ([`auth`], [`http`]) to a handler in [`handlers`], which
//! opens one door ([`db`]) to the statements in [`repositories`]. What spans several tables is in [`commerce`];
//! what comes from outside by itself in [`webhooks`]; what is done after a commit in [`jobs`].

pub mod app;
pub mod auth;
pub mod cache;
pub mod cli;
pub mod commerce;
pub mod config;
pub mod context;
pub mod db;
pub mod demo;
#[cfg(feature = "dev")]
pub mod dev;
pub mod domain;
pub mod freshness;
pub mod handlers;
pub mod healthcheck;
pub mod http;
pub mod jobs;
pub mod listener;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod providers;
pub mod repositories;
pub mod router;
pub mod schema;
pub mod server;
pub mod signals;
pub mod telemetry;
pub mod ticking;
pub mod tls;
pub mod webhooks;
