//! What the store costs: time to start, memory when it rests and under load, and the size of the program.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::process::resident;
use crate::rig::Rig;
use crate::table::{Bar, median};
use crate::workload::Workload;
use crate::wrk;

#[derive(clap::Args)]
pub struct Options {
    /// How large the store is: see `lectern seed --scale`
    #[arg(long, default_value = "1")]
    scale: String,
    /// For how many seconds memory is watched under load
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

const STARTS: u32 = 5;
/// Until what a start leaves to be done is done.
const REST: Duration = Duration::from_secs(5);
/// How often memory is looked at under load. What it is at the first look counts as the beginning.
const LOOKS: u32 = 10;

/// Measures, and prints the bars.
///
/// # Errors
/// When something does not start, or breaks on the way.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let rig = Rig::start(lectern, &options.scale)?;
    let mut starts = Vec::new();
    for _ in 0..=STARTS {
        let begun = Instant::now();
        let store = rig.serve("start", &[], &[]).await?;
        starts.push(begun.elapsed().as_secs_f64());
        drop(store);
    }
    // The first one reads the program from disk.
    starts.remove(0);

    let store = rig.serve("cost", &[], &[]).await?;
    sleep(REST).await;
    let mebibytes = || anyhow::Ok(resident(store.pid())? as f64 / f64::from(1 << 20));
    let idle = mebibytes()?;
    let requests = rig.write(Workload::W7)?;
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        wrk::drive(&store.url, &requests, (options.seconds / LOOKS).max(1)).await?;
        looks.push(mebibytes()?);
    }
    let (first, last) = (looks.first().copied(), looks.last().copied());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    println!("memory under W7 in MiB: {looks:.1?}");
    let size = std::fs::metadata(lectern)?.len() as f64 / 1e6;
    let bars = [
        Bar::below("cold start to ready", median(&mut starts), 1.0, "s"),
        Bar::below("memory, idle", idle, 40.0, "MiB"),
        Bar::below(
            format!("memory after {} s of W7", options.seconds),
            last,
            150.0,
            "MiB",
        ),
        Bar::below(
            "growth of it since the first tenth",
            last - first,
            10.0,
            "MiB",
        ),
        Bar::below("the program", size, 30.0, "MB"),
    ];
    Bar::print(&bars);
    drop(store);
    rig.clerk.stop().await;
    Ok(())
}
