//! Opening a connection: its limits, what counts its statements, and words about a failure that hold no secret.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::r2d2::{CustomizeConnection, Error, HandleError};
use secrecy::{ExposeSecret, SecretString};

use super::MigrationError;

/// How long one statement may run, and wait for somebody else's lock, before the database gives it up. None runs long
/// enough for machine code to be worth its making.
const LIMITS: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET jit = off";

/// A connection outside the pool, for commands that run before or without a server.
///
/// # Errors
/// When the database cannot be reached.
pub fn connect(url: &SecretString) -> Result<PgConnection, MigrationError> {
    PgConnection::establish(url.expose_secret())
        .map_err(|error| MigrationError::Connect(without_secrets(&error)))
}

/// Limits every connection of the pool, and counts what it is sent.
#[derive(Debug)]
pub struct Prepare(pub Arc<AtomicU64>);

impl CustomizeConnection<PgConnection, Error> for Prepare {
    fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), Error> {
        conn.batch_execute(LIMITS).map_err(Error::QueryError)?;
        let statements = Arc::clone(&self.0);
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { .. } = event {
                statements.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    }
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

/// The pool's background errors.
#[derive(Debug)]
pub struct LogPoolErrors;

impl HandleError<Error> for LogPoolErrors {
    fn handle_error(&self, error: Error) {
        match error {
            Error::ConnectionError(error) => {
                let error = without_secrets(&error);
                tracing::warn!(error, "the pool could not open a connection");
            }
            Error::QueryError(error) => {
                tracing::warn!(%error, "the pool lost a connection that nobody used");
            }
        }
    }
}
