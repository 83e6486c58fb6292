//! What processes cost, as Linux tells it in /proc.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// The clock of /proc: hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time of a process, of its children, and of those of them that have ended.
///
/// # Errors
/// When it has ended.
pub fn cpu_of_family(pid: u32) -> anyhow::Result<Duration> {
    let own = cpu(pid).context("the process has ended")?;
    Ok(own + children(pid)?.into_iter().filter_map(cpu).sum::<Duration>())
}

/// The memory of a process that is in RAM, in bytes.
///
/// # Errors
/// When it has ended.
pub fn resident(pid: u32) -> anyhow::Result<u64> {
    kilobytes(&format!("/proc/{pid}/status"), "VmRSS:").context("the process has ended")
}

fn cpu(pid: u32) -> Option<Duration> {
    let fields = stat(pid)?;
    // utime, stime, cutime, cstime: see proc(5).
    let ticks = fields.get(11..15)?.iter();
    let ticks = ticks.filter_map(|field| field.parse::<u32>().ok()).sum();
    Some(TICK * ticks)
}

/// What follows the name of the program, which may itself have spaces.
fn stat(pid: u32) -> Option<Vec<String>> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = line.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn children(of: u32) -> anyhow::Result<Vec<u32>> {
    let pids = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|fields| fields.get(1) == Some(&of.to_string())));
    Ok(pids.collect())
}

fn kilobytes(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}
