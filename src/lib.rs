//! Lectern: the backend of a course store. This file is the map of the house.

#[cfg(feature = "dev")]
pub mod dev;
