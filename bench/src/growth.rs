//! The workloads on a small store and on one a hundred times as large, by turns.

use std::path::Path;

use crate::rig::{Rig, WITHOUT_CACHES};
use crate::table::{self, Bar, median};
use crate::workload::Workload;
use crate::wrk;

#[derive(clap::Args)]
pub struct Options {
    /// How large the small store is: large enough to fill a page of its catalogue
    #[arg(long, default_value = "0.03")]
    small: String,
    /// How large the large one is
    #[arg(long, default_value = "3")]
    large: String,
    /// Some of the workloads: those that ask for what there is more of, unless given
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "W1,W2,W3,W4,W5,W6"
    )]
    only: Vec<Workload>,
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// For how many seconds each time
    #[arg(long, default_value_t = 4)]
    seconds: u32,
}

/// For how long a store is asked before it is measured, in seconds: its database was just copied, and the first change of
/// each page puts the whole page into the log.
const WARM_UP: u32 = 4;

/// Measures, with caches and without, and prints the rates and the bars.
///
/// # Errors
/// When something does not start, or breaks on the way.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let mut large = Rig::start(lectern, &options.large)?;
    let small = Rig::start(lectern, &options.small)?;
    large.subjects.limit_to(&small.subjects);
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for (name, variables) in [("warm", &[][..]), ("caches off", &[WITHOUT_CACHES])] {
        let in_small = small.serve("small", &["--no-jobs"], variables).await?;
        let in_large = large.serve("large", &["--no-jobs"], variables).await?;
        for &workload in &options.only {
            eprintln!("{name}: {workload}");
            let (mut rates, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
            for round in 0..=options.rounds {
                let seconds = if round == 0 { WARM_UP } else { options.seconds };
                let few = small.write(workload)?;
                let few = wrk::drive(&in_small.url, &few, seconds).await?.per_second;
                let many = large.write(workload)?;
                let many = wrk::drive(&in_large.url, &many, seconds).await?.per_second;
                if round > 0 {
                    let [of_small, of_large] = &mut rates;
                    of_small.push(few);
                    of_large.push(many);
                    ratios.push(many / few);
                }
            }
            let what = format!("{workload}, {name}");
            let [few, many] = rates.map(|mut rates| format!("{:.0}", median(&mut rates)));
            rows.push(vec![what.clone(), few, many]);
            bars.push(Bar::at_least(what, median(&mut ratios), 0.85));
        }
    }
    table::print(&["requests a second", "small store", "large store"], &rows);
    Bar::print(&bars);
    small.clerk.stop().await;
    large.clerk.stop().await;
    Ok(())
}
