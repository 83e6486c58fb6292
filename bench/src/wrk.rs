//! Requests as fast as they are answered, sent by `wrk`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::workload::Request;

pub const CONNECTIONS: u32 = 32;
/// As many as the cores that it shares with the store.
const THREADS: u32 = 2;

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub requests: f64,
    /// Without the failures.
    pub per_second: f64,
    pub p99: Duration,
    /// Answers of 400 and above, and connections that broke.
    pub failures: f64,
}

/// Writes requests to a file, for [`drive`].
///
/// # Errors
/// When it cannot be written.
pub fn write(requests: &[Request], file: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    for request in requests {
        let headers: String = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r"))
            .collect();
        writeln!(
            text,
            "{}\t{}\t{headers}\t{}",
            request.method, request.path, request.body
        )?;
    }
    Ok(fs::write(file, text)?)
}

/// Sends the requests of a file for so long.
///
/// # Errors
/// When `wrk` is not there, or cannot reach the store.
pub async fn drive(url: &str, file: &Path, seconds: u32) -> anyhow::Result<Outcome> {
    let script = file.with_file_name("ask.lua");
    fs::write(&script, include_str!("ask.lua"))?;
    let done = Command::new("wrk")
        .args(["-t", &THREADS.to_string(), "-c", &CONNECTIONS.to_string()])
        .args(["-d", &format!("{seconds}s"), "--timeout", "10s", "-s"])
        .arg(&script)
        .args([url, "--"])
        .arg(file)
        .arg(THREADS.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("wrk cannot be started; on Debian: apt-get install wrk")?;
    let said = String::from_utf8_lossy(&done.stdout);
    let numbers = said.lines().find_map(|line| line.strip_prefix("measured "));
    let numbers: Vec<f64> = numbers
        .with_context(|| format!("wrk: {said}{}", String::from_utf8_lossy(&done.stderr)))?
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    let [requests, micros, refused, broken, p99] = numbers.try_into().unwrap_or_default();
    ensure!(requests > 0.0, "nothing was answered: {said}");
    Ok(Outcome {
        requests,
        per_second: (requests - refused) / (micros / 1e6),
        p99: Duration::from_micros(p99 as u64),
        failures: refused + broken,
    })
}
