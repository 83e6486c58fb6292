//! What can go wrong on the way to a running Postgres, each in words for the person who typed the command.

use std::{io, path::PathBuf};

/// Every message says what is wrong and what to do about it; none contains the password.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Nothing on the machine, and nothing could be fetched.
    #[error(
        "No PostgreSQL 15 or newer was found on this machine, and fetching one did not work ({reason}).
Install it, then start again:
  Debian, Ubuntu:  sudo apt-get install -y postgresql
  Fedora:          sudo dnf install -y postgresql-server
  macOS:           brew install postgresql@18
  Docker:          docker run -d --name lectern-postgres -e POSTGRES_PASSWORD=lectern -p 127.0.0.1:5433:5432 postgres:18
                   export DATABASE_URL=postgres://postgres:lectern@127.0.0.1:5433/postgres
Programs in an unusual place are found through PG_BIN_DIR."
    )]
    NoBinaries { reason: String },

    #[error(
        "PG_BIN_DIR is {}, but no PostgreSQL 15 or newer can be run from there: name the folder that holds `postgres` and `initdb`, or unset it",
        path.display()
    )]
    BinDir { path: PathBuf },

    #[error(
        "the data in {} was written by PostgreSQL {wanted}, which was not found here: set PG_BIN_DIR to its programs, or delete that folder to start over",
        data.display()
    )]
    OtherVersion { data: PathBuf, wanted: u32 },

    #[error(
        "cannot {action} {} ({source}): start in a folder that you may write to, or set DATABASE_URL to a database of your own",
        path.display()
    )]
    Folder {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },

    #[error("{} holds something else than Lectern's Postgres: choose an empty or a new folder", path.display())]
    NotOurs { path: PathBuf },

    #[error(
        "Postgres refuses to run as root, and the user `{user}`, who would run it instead, cannot pass through {}: choose a data folder whose parents are open to all, or start as an ordinary user",
        blocked.display()
    )]
    Unreachable { user: String, blocked: PathBuf },

    #[error(
        "Postgres refuses to run as root, and this machine has neither a user `postgres` nor `nobody` to run it instead: start as an ordinary user, or set DATABASE_URL"
    )]
    NoAccount,

    #[error("cannot run {program} ({source})")]
    Run { program: String, source: io::Error },

    #[error("initdb could not create the database cluster in {}:\n{output}", data.display())]
    Initdb { data: PathBuf, output: String },

    #[error("Postgres did not start; the last lines of {} are:\n{tail}", log.display())]
    Start { log: PathBuf, tail: String },

    #[error(
        "a Postgres (process {pid}) runs on {}, but it does not answer, or whoever started it is gone: stop it (kill -INT {pid}), then start again",
        data.display()
    )]
    Unanswering { pid: u32, data: PathBuf },

    #[error("Postgres did not stop within {seconds} seconds; its log is {}", log.display())]
    Stop { seconds: u64, log: PathBuf },

    #[error("the database {name:?} could not be created: {reason}")]
    CreateDatabase { name: String, reason: String },
}

impl PostgresError {
    /// For `map_err`: an I/O error with what was being done to which path.
    pub(super) fn folder(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Folder {
            action,
            path,
            source,
        }
    }

    /// For `map_err`: a program that could not be started at all.
    pub(super) fn run(program: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let program = program.into();
        move |source| Self::Run { program, source }
    }
}
