//! A `lectern serve` of its own, with a Postgres that writes as durably as in production.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use lectern::dev::postgres::{Cluster, ClusterOptions, ephemeral_data_dir};
use tokio::time::sleep;

pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_bench";
/// "bench" in base64.
pub const CLERK_WEBHOOK_SECRET: &str = "whsec_YmVuY2g=";
const DATABASE: &str = "bench";
/// How long it may take to start.
const START: Duration = Duration::from_secs(60);

/// The running program and what it stands on; both end with this.
pub struct Store {
    pub url: String,
    metrics: String,
    http: reqwest::Client,
    child: Child,
    _cluster: Cluster,
}

impl Store {
    /// Starts Postgres and the program, and waits until it is ready.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start(lectern: Option<PathBuf>) -> anyhow::Result<Self> {
        let program = match lectern {
            Some(program) => program,
            None => std::env::current_exe()?.with_file_name("lectern"),
        };
        ensure!(
            program.exists(),
            "{} is not there; build it with: cargo build --release",
            program.display()
        );
        let options = ClusterOptions {
            data_dir: ephemeral_data_dir()?,
            durable: true,
            ephemeral: true,
        };
        let cluster = Cluster::start(&options, &mut |line| eprintln!("{line}"))?;
        cluster.create_database_if_missing(DATABASE)?;
        let (address, metrics) = (free_address()?, free_address()?);
        let url = format!("http://{address}");
        let child = Command::new(&program)
            .arg("serve")
            .env_clear()
            .envs([
                ("DATABASE_URL", cluster.url(DATABASE).as_str()),
                ("BIND_ADDR", &address),
                ("METRICS_ADDR", &metrics),
                ("PUBLIC_URL", &url),
                ("CLERK_ISSUER", "http://127.0.0.1:1"),
                ("CLERK_AUTHORIZED_PARTIES", "http://localhost"),
                ("CLERK_WEBHOOK_SECRETS", CLERK_WEBHOOK_SECRET),
                ("STRIPE_SECRET_KEY", "sk_test_bench"),
                ("STRIPE_API_URL", "http://127.0.0.1:1"),
                ("STRIPE_WEBHOOK_SECRETS", STRIPE_WEBHOOK_SECRET),
                ("CORS_ORIGINS", "http://localhost"),
                ("RETURN_ORIGINS", "http://localhost"),
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let store = Self {
            url,
            metrics: format!("http://{metrics}/metrics"),
            http: reqwest::Client::builder().no_proxy().build()?,
            child,
            _cluster: cluster,
        };
        let begun = Instant::now();
        while store.metrics().await.is_err() {
            if begun.elapsed() > START {
                bail!("{} does not become ready", program.display());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(store)
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self.http.get(&self.metrics).send().await?.text().await?)
    }

    /// The sum of all series of a metric whose labels hold this text.
    ///
    /// # Errors
    /// When the program does not answer.
    pub async fn metric(&self, name: &str, labels: &str) -> anyhow::Result<f64> {
        let text = self.metrics().await?;
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
