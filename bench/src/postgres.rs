//! The Postgres under a measured store: it writes as durably as in production, and holds a large store if asked to.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use lectern::dev::postgres::{Cluster, ClusterOptions, default_data_dir, ephemeral_data_dir};
use sha2::{Digest, Sha256};

/// A server of our own.
pub struct Postgres {
    cluster: Cluster,
    folder: PathBuf,
}

impl Postgres {
    /// One without anything in it, gone when this is dropped.
    ///
    /// # Errors
    /// When it does not start.
    pub fn empty() -> anyhow::Result<Self> {
        Self::start(ephemeral_data_dir()?, true)
    }

    /// One that is kept between runs, because a large store takes a minute to make.
    ///
    /// # Errors
    /// When it does not start.
    pub fn kept(folder: &Path) -> anyhow::Result<Self> {
        let data_dir = default_data_dir(folder, &mut |line| eprintln!("{line}"))?;
        Self::start(data_dir, false)
    }

    fn start(data_dir: PathBuf, ephemeral: bool) -> anyhow::Result<Self> {
        let options = ClusterOptions {
            data_dir: data_dir.clone(),
            durable: true,
            ephemeral,
        };
        let cluster = Cluster::start(&options, &mut |line| eprintln!("{line}"))?;
        Ok(Self {
            cluster,
            folder: data_dir,
        })
    }

    /// The address of an empty database of this name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self, name: &str) -> anyhow::Result<String> {
        self.command(&format!("DROP DATABASE IF EXISTS {name}"))?;
        self.command(&format!("CREATE DATABASE {name}"))?;
        Ok(self.cluster.url(name))
    }

    /// The address of a large store of this scale, as good as new. The first one is made by `lectern seed`, and copied
    /// from then on.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn large_store(&self, lectern: &Path, scale: &str) -> anyhow::Result<String> {
        let content = Sha256::new()
            .chain_update(include_str!("../../src/demo/scale.sql"))
            .chain_update(scale)
            .finalize();
        let hash: String = content.iter().take(4).map(|b| format!("{b:02x}")).collect();
        let (template, copy) = (format!("large_{hash}"), format!("bench_{hash}"));
        if self.connect(&template).is_err() {
            eprintln!("Making a large store of scale {scale}");
            let url = self.database("seeding")?;
            let seed = Command::new(lectern)
                .args(["seed", "--scale", scale])
                .env("DATABASE_URL", url)
                .status()?;
            ensure!(seed.success(), "the large store could not be made");
            self.command(&format!("ALTER DATABASE seeding RENAME TO {template}"))?;
        }
        self.command(&format!("DROP DATABASE IF EXISTS {copy}"))?;
        self.command(&format!(
            "CREATE DATABASE {copy} TEMPLATE {template} STRATEGY file_copy"
        ))?;
        Ok(self.cluster.url(&copy))
    }

    /// Runs a statement that belongs to no database.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&self, statement: &str) -> anyhow::Result<()> {
        Ok(self.connect("postgres")?.batch_execute(statement)?)
    }

    fn connect(&self, database: &str) -> ConnectionResult<PgConnection> {
        PgConnection::establish(&self.cluster.url(database))
    }

    /// Where the server writes what it logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The process whose children serve the connections.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn pid(&self) -> anyhow::Result<u32> {
        let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        let pid = file.lines().next().context("postmaster.pid is empty")?;
        Ok(pid.trim().parse()?)
    }
}
