//! A running program: `lectern serve`, or something else that takes the same configuration.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::time::sleep;

pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_bench";
/// "bench" in base64.
pub const CLERK_WEBHOOK_SECRET: &str = "whsec_YmVuY2g=";
/// The frontend that people's tokens are for.
pub const FRONTEND: &str = "http://localhost:3000";
/// So many requests a minute never come.
const NO_LIMIT: &str = "10000000";
/// How long it may take to start.
const START: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(5);

/// The program to measure: the one that is named, or else the one beside this program.
///
/// # Errors
/// When it is not there.
pub fn program(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let program = match named {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("lectern"),
    };
    ensure!(
        program.exists(),
        "{} is not there; build it with: cargo build --release",
        program.display()
    );
    Ok(program)
}

/// What a store is started with, beside what all of them have.
pub struct Setup<'a> {
    pub database_url: &'a str,
    pub clerk_issuer: &'a str,
    /// Where the log goes; nowhere otherwise.
    pub log: Option<&'a Path>,
    pub variables: &'a [(&'a str, &'a str)],
}

/// The running program, which ends with this.
pub struct Store {
    pub url: String,
    metrics: String,
    http: reqwest::Client,
    child: Child,
}

impl Store {
    /// Starts the program with a production configuration, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(
        program: &Path,
        arguments: &[&str],
        setup: &Setup<'_>,
    ) -> anyhow::Result<Self> {
        let (address, metrics) = (free_address()?, free_address()?);
        let url = format!("http://{address}");
        let log = match setup.log {
            Some(path) => std::fs::File::create(path)?.into(),
            None => Stdio::null(),
        };
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs([
                ("DATABASE_URL", setup.database_url),
                ("BIND_ADDR", &address),
                ("METRICS_ADDR", &metrics),
                ("PUBLIC_URL", &url),
                ("CLERK_ISSUER", setup.clerk_issuer),
                ("CLERK_AUTHORIZED_PARTIES", FRONTEND),
                ("CLERK_WEBHOOK_SECRETS", CLERK_WEBHOOK_SECRET),
                ("STRIPE_SECRET_KEY", "sk_test_bench"),
                ("STRIPE_API_URL", "http://127.0.0.1:1"),
                ("STRIPE_WEBHOOK_SECRETS", STRIPE_WEBHOOK_SECRET),
                ("CORS_ORIGINS", FRONTEND),
                ("RETURN_ORIGINS", FRONTEND),
                ("RATE_LIMIT_ANONYMOUS", NO_LIMIT),
                ("RATE_LIMIT_USER", NO_LIMIT),
                ("RATE_LIMIT_CHECKOUT", NO_LIMIT),
                ("LOG_FORMAT", "json"),
                ("RUST_LOG", "info"),
            ])
            .envs(setup.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let store = Self {
            url,
            metrics: format!("http://{metrics}/metrics"),
            http: reqwest::Client::builder().no_proxy().build()?,
            child,
        };
        let begun = Instant::now();
        while !store.is_ready().await {
            if begun.elapsed() > START {
                bail!("{} does not become ready", program.display());
            }
            sleep(TICK).await;
        }
        Ok(store)
    }

    async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/readyz", self.url)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The sum of all series of a metric whose labels hold this text.
    ///
    /// # Errors
    /// When the program does not answer.
    pub async fn metric(&self, name: &str, labels: &str) -> anyhow::Result<f64> {
        let text = self.http.get(&self.metrics).send().await?.text().await?;
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
        });
        let values = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        Ok(values.sum())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // It has ended already when these fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody has at this moment.
fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
