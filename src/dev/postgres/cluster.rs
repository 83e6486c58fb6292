//! A cluster of our own in one folder: created once, started or joined, asked for URLs, stopped by its owner.

use std::{fmt, fs::File, path::PathBuf};

use diesel::{Connection, PgConnection, QueryResult, RunQueryDsl, sql_query, sql_types::Text};
use secrecy::SecretString;

use super::{
    PostgresError, Progress,
    binaries::Search,
    folder::Folder,
    server::{Cleaner, Server},
    start,
};

/// What kind of cluster is wanted.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// A folder for this cluster alone: missing, empty, or one that an earlier start has made.
    pub data_dir: PathBuf,
    /// `false`: nothing is forced to disk. Fast, and a crash of the machine may lose everything; for tests.
    pub durable: bool,
    /// The folder is removed when the server stops.
    pub ephemeral: bool,
}

/// A Postgres server that answers. Dropping it stops the server, if this process has started it; and should this
/// process end without dropping anything (a signal, `kill -9`), the server stops as well.
pub struct Cluster {
    port: u16,
    password: SecretString,
    // In this order: the cleaner works when the server has ended.
    server: Option<Server>,
    cleaner: Option<Cleaner>,
    _claim: Option<File>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("port", &self.port)
            .field("owner", &self.is_owner())
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts the server in `options.data_dir`, or joins the one that runs there. `progress` hears of what takes longer
    /// than a second.
    ///
    /// # Errors
    /// Any [`PostgresError`] but the last two; each says what to do.
    pub fn start(options: &ClusterOptions, progress: Progress<'_>) -> Result<Self, PostgresError> {
        Self::start_with(&Search::from_env(), options, progress)
    }

    /// [`start`](Self::start), with the programs looked for in other places.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_with(
        search: &Search,
        options: &ClusterOptions,
        progress: Progress<'_>,
    ) -> Result<Self, PostgresError> {
        let folder = Folder::open(&options.data_dir, progress)?;
        if let Some((port, password)) = start::join(&folder, progress)? {
            return Ok(Self {
                port,
                password,
                server: None,
                cleaner: None,
                _claim: None,
            });
        }
        let claim = folder.claim()?;
        let cleaner = match options.ephemeral {
            true => Some(Cleaner::spawn(&folder)?),
            false => None,
        };
        let binaries =
            start::prepare(search, &folder, options.durable, cleaner.as_ref(), progress)?;
        let (server, port, password) = start::run(
            &binaries,
            &folder,
            options.durable,
            cleaner.as_ref(),
            progress,
        )?;
        Ok(Self {
            port,
            password,
            server: Some(server),
            cleaner,
            _claim: Some(claim),
        })
    }

    /// The libpq URL of one of the cluster's databases (which need not exist yet), password included: not for logs.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        start::url(self.port, &self.password, database)
    }

    /// Creates a database, unless it exists.
    ///
    /// # Errors
    /// [`PostgresError::CreateDatabase`].
    pub fn create_database_if_missing(&self, name: &str) -> Result<(), PostgresError> {
        let failed = |reason: String| PostgresError::CreateDatabase {
            name: name.to_owned(),
            reason,
        };
        let mut connection = PgConnection::establish(&self.url(start::SUPERUSER))
            .map_err(|error| failed(error.to_string()))?;
        if exists(&mut connection, name).map_err(|error| failed(error.to_string()))? {
            return Ok(());
        }
        let quoted = name.replace('"', "\"\"");
        match sql_query(format!("CREATE DATABASE \"{quoted}\"")).execute(&mut connection) {
            Ok(_) => Ok(()),
            // Somebody else may have been faster.
            Err(_) if exists(&mut connection, name) == Ok(true) => Ok(()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Whether this process has started the server and will stop it.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.server.is_some()
    }

    /// Stops the server if it is ours, and waits until it has ended and, if ephemeral, its folder is gone.
    ///
    /// # Errors
    /// [`PostgresError::Stop`] when it does not end in half a minute.
    pub fn stop(mut self) -> Result<(), PostgresError> {
        let stopped = self.server.take().map(Server::stop);
        drop(self.cleaner.take());
        stopped.unwrap_or(Ok(()))
    }
}

fn exists(connection: &mut PgConnection, database: &str) -> QueryResult<bool> {
    let rows = sql_query("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind::<Text, _>(database)
        .execute(connection)?;
    Ok(rows > 0)
}
