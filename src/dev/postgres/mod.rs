//! The Postgres for one command: finds (or fetches) the server's programs, keeps a cluster of our own in one
//! folder, and stops it when the process that started it ends, however it ends. Shared by `cargo run` and the tests.

mod account;
mod binaries;
mod cluster;
mod error;
mod folder;
mod password;
mod pidfile;
mod server;
mod start;
mod wheel;

pub use binaries::{Binaries, Search};
pub use cluster::{Cluster, ClusterOptions};
pub use error::PostgresError;
pub use folder::{default_data_dir, ephemeral_data_dir};

/// Where a long step says what it is doing: one call, one sentence for a person.
pub type Progress<'a> = &'a mut dyn FnMut(&str);
