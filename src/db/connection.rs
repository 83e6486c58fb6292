//! Opening a connection: what libpq is told, and words about a failure that hold no secret.

use std::fmt;

use diesel::connection::CacheSize;
use diesel::prelude::*;
use secrecy::{ExposeSecret, SecretString};

/// What holds unless the URL says otherwise: a server that is gone, with or without a word, is noticed within five
/// seconds. <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>
const DEFAULTS: &str = "connect_timeout=2&tcp_user_timeout=5000&keepalives_idle=2&keepalives_interval=1\
    &keepalives_count=3&target_session_attrs=";

/// What a server has to be. After a failover, an address may lead to one that has changed its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Primary,
    Standby,
}

/// Why there is no connection, without what is secret.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the database of DATABASE_URL cannot be reached: {0}")]
    Unreachable(String),
    #[error("a statement failed: {0}")]
    Query(#[from] diesel::result::Error),
    #[error("the server is not what it was: primary and standby have changed parts")]
    OtherRole,
    #[error(
        "a pooler in transaction mode is in front of the database, and this needs a session of its own; set DATABASE_DIRECT_URL to the database itself"
    )]
    Pooled,
    #[error(
        "a hello from another connection did not arrive; set DATABASE_DIRECT_URL to the database itself, around whatever is in front of it"
    )]
    Deaf,
}

/// A connection outside the pool, for commands that run before or without a server. It keeps no statement, so that it
/// does not matter what is in front of the database.
///
/// # Errors
/// When the database cannot be reached.
pub fn connect(url: &SecretString) -> Result<PgConnection, ConnectError> {
    connect_to(url, Role::Primary)
}

/// [`connect`], to a server in this role.
///
/// # Errors
/// When there is none.
pub fn connect_to(url: &SecretString, role: Role) -> Result<PgConnection, ConnectError> {
    let mut conn = PgConnection::establish(&with_defaults(url.expose_secret(), role))
        .map_err(|error| ConnectError::Unreachable(without_secrets(&error)))?;
    conn.set_prepared_statement_cache_size(CacheSize::Disabled);
    Ok(conn)
}

/// Of an option that is named twice, libpq takes the last.
fn with_defaults(url: &str, role: Role) -> String {
    let (place, options) = url.split_once('?').unwrap_or((url, ""));
    let role = match role {
        Role::Primary => "read-write",
        Role::Standby => "standby",
    };
    format!("{place}?{DEFAULTS}{role}&{options}")
        .trim_end_matches('&')
        .to_owned()
}

/// libpq's words where they are about the server. Where they are about the connection string they may quote it, and
/// with it the password.
fn without_secrets(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let is_about_server = ["connection to server", "could not translate host name"];
    if is_about_server.iter().any(|start| text.starts_with(start)) {
        text.trim_end().to_owned()
    } else {
        "DATABASE_URL has options that libpq does not understand".to_owned()
    }
}
