//! Lectern: the backend of a course store. This file is the map of the house.

pub mod auth;
#[cfg(feature = "dev")]
pub mod dev;
pub mod webhooks;
