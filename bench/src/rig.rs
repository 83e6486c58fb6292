//! What the measurements of a large store stand on: its Postgres, a Clerk, and whom and what to ask for.

use std::path::{Path, PathBuf};

use crate::clerk::Clerk;
use crate::postgres::Postgres;
use crate::store::{Setup, Store};
use crate::workload::{Subjects, Workload};
use crate::wrk;

/// Turns the caches off.
pub const WITHOUT_CACHES: (&str, &str) = ("CACHE_MIB", "0");

/// The parts, and a folder for what is written on the way.
pub struct Rig {
    pub lectern: PathBuf,
    pub postgres: Postgres,
    pub database_url: String,
    pub clerk: Clerk,
    pub subjects: Subjects,
    pub folder: PathBuf,
}

impl Rig {
    /// Starts them, with a large store of this scale.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start(lectern: &Path, scale: &str) -> anyhow::Result<Self> {
        let folder = std::env::current_dir()?.join("target/bench");
        std::fs::create_dir_all(&folder)?;
        let postgres = Postgres::kept(&folder)?;
        let database_url = postgres.large_store(lectern, scale)?;
        let clerk = Clerk::start()?;
        let subjects = Subjects::choose(&database_url, &clerk)?;
        Ok(Self {
            lectern: lectern.to_owned(),
            postgres,
            database_url,
            clerk,
            subjects,
            folder,
        })
    }

    /// Starts `lectern serve` with these variables beside the usual ones. Its log is a file of this name.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn serve(
        &self,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Store> {
        let log = self.folder.join(format!("{name}.log"));
        let arguments = [&["serve"], arguments].concat();
        let setup = Setup {
            database_url: &self.database_url,
            clerk_issuer: self.clerk.issuer(),
            log: Some(&log),
            variables,
        };
        Store::start(&self.lectern, &arguments, &setup).await
    }

    /// Starts the server of fixed answers, which is this program.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn serve_fixed(&self) -> anyhow::Result<Store> {
        let setup = Setup {
            database_url: &self.database_url,
            clerk_issuer: self.clerk.issuer(),
            log: Some(&self.folder.join("fixed.log")),
            variables: &[],
        };
        Store::start(&std::env::current_exe()?, &["fixed"], &setup).await
    }

    /// Writes the requests of a workload, newly signed where they are signed, and says where.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, workload: Workload) -> anyhow::Result<PathBuf> {
        let file = self.folder.join(format!("{workload:?}.txt"));
        wrk::write(&self.subjects.requests(workload)?, &file)?;
        Ok(file)
    }
}
