//! The yardstick for answers that need the database: `pgbench` with the very statements that the store sends. They are
//! not written down here, but read off the log of Postgres while the store answers requests.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, ensure};
use lectern::dev::postgres::Binaries;
use tokio::process::Command;

use crate::postgres::Postgres;
use crate::store::Store;
use crate::workload::Request;

/// As many as the store's pool has on two cores.
const CLIENTS: u32 = 8;
const THREADS: u32 = 2;
/// Between whose process id and the rest of a line the log has this.
const MARK: &str = "|lectern-bench|";

/// Stands for the end of a line while lines are told apart.
const CONTINUED: &str = "\u{1e}";

/// One statement, with the values of `$1`, `$2` and so on as texts; `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    values: Vec<Option<String>>,
}

/// Reads off what Postgres is sent.
pub struct Recorder<'a> {
    postgres: &'a Postgres,
    http: reqwest::Client,
}

impl<'a> Recorder<'a> {
    /// Lets Postgres log every statement, until this is dropped.
    ///
    /// # Errors
    /// When it refuses.
    pub fn start(postgres: &'a Postgres) -> anyhow::Result<Self> {
        postgres.command(&format!("ALTER SYSTEM SET log_line_prefix = '%p{MARK}'"))?;
        postgres.command("ALTER SYSTEM SET log_statement = 'all'")?;
        postgres.command("SELECT pg_reload_conf()")?;
        Ok(Self {
            postgres,
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// The statements of each request, when the store has answered it before. The store must have one connection to
    /// the database, beside the one on which it listens, and no worker.
    ///
    /// # Errors
    /// When a request is not answered as it should be.
    pub async fn statements(
        &self,
        store: &Store,
        requests: &[Request],
    ) -> anyhow::Result<Vec<Vec<Statement>>> {
        let mut log = File::open(self.postgres.log())?;
        let mut recorded = Vec::new();
        for request in requests {
            self.ask(store, request).await?;
            log.seek(SeekFrom::End(0))?;
            self.ask(store, request).await?;
            let mut text = String::new();
            log.read_to_string(&mut text)?;
            recorded.push(statements(&text));
        }
        Ok(recorded)
    }

    /// How many bytes an answer to these requests has on average.
    ///
    /// # Errors
    /// When one is not answered as it should be.
    pub async fn mean_length(&self, store: &Store, requests: &[Request]) -> anyhow::Result<usize> {
        let mut length = 0;
        for request in requests {
            length += self.ask(store, request).await?;
        }
        Ok(length / requests.len().max(1))
    }

    /// Returns the length of the answer, in bytes.
    async fn ask(&self, store: &Store, request: &Request) -> anyhow::Result<usize> {
        let answer = request.send(&self.http, &store.url).await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(
            status.is_success(),
            "{} {}: {status}",
            request.method,
            request.path
        );
        Ok(body.len())
    }
}

impl Drop for Recorder<'_> {
    fn drop(&mut self) {
        for statement in [
            "ALTER SYSTEM RESET log_statement",
            "ALTER SYSTEM RESET log_line_prefix",
            "SELECT pg_reload_conf()",
        ] {
            if let Err(error) = self.postgres.command(statement) {
                eprintln!("Postgres logs statements still: {error}");
            }
        }
    }
}

/// What a piece of the log says was executed. The listener's sign of life is not the request's.
fn statements(log: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    // Lines that go on begin with a tab. A statement keeps its lines: a comment in it ends with one.
    let log = log.replace("\n\t", CONTINUED);
    for line in log.lines() {
        let Some((_, line)) = line.split_once(MARK) else {
            continue;
        };
        // Newer servers begin with a capital.
        let detail = line.strip_prefix("DETAIL:  ");
        let values = detail.and_then(|detail| detail.get(1..)?.strip_prefix("arameters: "));
        if let Some(values) = values {
            if let Some(statement) = found.last_mut() {
                statement.values = self::values(values);
            }
        } else if let Some(line) = line.strip_prefix("LOG:  ")
            && let Some((how, sql)) = line.split_once(": ")
            && (how == "statement" || how.starts_with("execute "))
            && sql != "SELECT 1"
        {
            found.push(Statement {
                sql: sql.replace(CONTINUED, "\n"),
                values: Vec::new(),
            });
        }
    }
    found
}

/// `$1 = 'a', $2 = NULL, $3 = 'it''s'`.
fn values(text: &str) -> Vec<Option<String>> {
    let written = text.split(", $").filter_map(|one| one.split_once(" = "));
    written
        .map(|(_, value)| {
            let quoted = value.strip_prefix('\'')?.strip_suffix('\'')?;
            Some(quoted.replace("''", "'"))
        })
        .collect()
}

/// Scripts for `pgbench`, one for each list of statements.
pub struct Scripts {
    arguments: Vec<String>,
    /// How many requests of the store one run of a script stands for.
    requests: f64,
}

impl Scripts {
    /// Writes them into a folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(
        folder: &Path,
        scripts: &[Vec<Statement>],
        requests: usize,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut arguments = Vec::new();
        for (number, statements) in scripts.iter().enumerate() {
            let mut text = String::new();
            for (place, Statement { sql, values }) in statements.iter().enumerate() {
                let mut sql = sql.clone();
                // From the last one on, so that $1 is not taken for the beginning of $10.
                for (index, value) in values.iter().enumerate().rev() {
                    let name = format!("v{number}_{place}_{index}");
                    let written = match value.as_deref() {
                        None => "NULL".to_owned(),
                        // No variable of pgbench's is empty.
                        Some("") => "''".to_owned(),
                        Some(value) => {
                            arguments.extend(["-D".to_owned(), format!("{name}={value}")]);
                            format!(":{name}")
                        }
                    };
                    sql = sql.replace(&format!("${}", index + 1), &written);
                }
                writeln!(text, "{};", sql.trim_end_matches(';'))?;
            }
            let file = folder.join(format!("{number}.sql"));
            fs::write(&file, text)?;
            arguments.extend(["-f".to_owned(), file.display().to_string()]);
        }
        Ok(Self {
            arguments,
            requests: requests as f64,
        })
    }

    /// How many requests a second the statements are enough for: the median of the seconds, so that the first one,
    /// in which they are prepared, does not count.
    ///
    /// # Errors
    /// When `pgbench` is not there, or a statement fails.
    pub async fn run(&self, database_url: &str, seconds: u32) -> anyhow::Result<f64> {
        let program = Binaries::find(&mut |line| eprintln!("{line}"))?
            .dir()
            .join("pgbench");
        let done = Command::new(&program)
            .args(["-n", "-M", "prepared", "-P", "1"])
            .args(["-c", &CLIENTS.to_string(), "-j", &THREADS.to_string()])
            .args(["-T", &seconds.to_string()])
            .args(&self.arguments)
            .arg(database_url)
            // As the store's connections have it.
            .env("PGOPTIONS", "-c jit=off -c random_page_cost=1.1")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "pgbench: {said}");
        let mut rates: Vec<f64> = said
            .lines()
            .filter_map(|line| {
                let (_, rest) = line.split_once(" s, ")?;
                rest.split_once(" tps")?.0.parse().ok()
            })
            .collect();
        Ok(crate::table::median(&mut rates) * self.requests)
    }
}
