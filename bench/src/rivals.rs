//! Lectern by turns with servers of other stacks, which do the same work on the same database.

use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::process::cpu_of_family;
use crate::rig::Rig;
use crate::run::ratio;
use crate::stacks::{self, Rival};
use crate::store::Store;
use crate::table::{self, Bar, median};
use crate::workload::Workload;
use crate::wrk;

#[derive(clap::Args)]
pub struct Options {
    /// How large the store is: see `lectern seed --scale`
    #[arg(long, default_value = "1")]
    scale: String,
    /// Some of the workloads: those that the others know
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "W1,W2,W3,W4,W5,W6"
    )]
    only: Vec<Workload>,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// For how many seconds each time
    #[arg(long, default_value_t = 3)]
    seconds: u32,
}

/// For how long a server is asked each time before it is measured, in seconds.
const WARM_UP: u32 = 2;
/// So many lessons are ticked off before they are unticked: more than there are connections, so that none is unticked
/// before it is ticked off, and few, so that few are ticked already when a server has its turn.
const TICKS: usize = 100;

/// Requests a second, and the CPU time of a request in microseconds, the server's and Postgres's: a number for each round.
#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

/// A workload, and how each does in it: Lectern, and then the others in their order.
struct Contest {
    workload: Workload,
    requests: PathBuf,
    figures: [Figures; 4],
}

/// Measures, and prints the figures and the bars.
///
/// # Errors
/// When something cannot be installed, does not start, answers otherwise than Lectern, or breaks on the way.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let rig = Rig::start(lectern, &options.scale)?;
    let rivals = stacks::start(&rig).await?;
    let mut contests = Vec::new();
    for &workload in &options.only {
        let requests = write(&rig, workload)?;
        // Their languages compile what runs often, but only after a while.
        for rival in &rivals {
            wrk::drive(&rival.store.url, &requests, WARM_UP).await?;
        }
        contests.push(Contest {
            workload,
            requests,
            figures: Default::default(),
        });
    }
    for round in 1..=options.rounds {
        for contest in &mut contests {
            eprintln!("round {round}: {}", contest.workload);
            contest.play(&rig, &rivals, options.seconds).await?;
        }
    }
    report(contests, &rivals);
    drop(rivals);
    rig.clerk.stop().await;
    Ok(())
}

/// Writes the requests of a workload. Of W5, some ticks and then their end, and so on.
fn write(rig: &Rig, workload: Workload) -> anyhow::Result<PathBuf> {
    let mut requests = rig.subjects.requests(workload)?;
    if workload == Workload::W5 {
        let (ticks, unticks) = requests.split_at(requests.len() / 2);
        let pairs = ticks.chunks(TICKS).zip(unticks.chunks(TICKS));
        requests = pairs
            .flat_map(|(tick, untick)| [tick, untick].concat())
            .collect();
    }
    let file = rig.folder.join(format!("{workload:?}-rivals.txt"));
    wrk::write(&requests, &file)?;
    Ok(file)
}

impl Contest {
    async fn play(&mut self, rig: &Rig, rivals: &[Rival], seconds: u32) -> anyhow::Result<()> {
        let [lectern, others @ ..] = &mut self.figures;
        // It runs in its own turn alone: it listens to what the others change, which would cost them something.
        let store = rig.serve("beside-rivals", &[], &[]).await?;
        lectern
            .measure(rig, &store, &self.requests, seconds)
            .await?;
        drop(store);
        for (figures, Rival { store, .. }) in others.iter_mut().zip(rivals) {
            figures.measure(rig, store, &self.requests, seconds).await?;
        }
        Ok(())
    }
}

impl Figures {
    async fn measure(
        &mut self,
        rig: &Rig,
        store: &Store,
        requests: &Path,
        seconds: u32,
    ) -> anyhow::Result<()> {
        wrk::drive(&store.url, requests, WARM_UP).await?;
        let postgres = rig.postgres.pid()?;
        let cpu = || anyhow::Ok(cpu_of_family(store.pid())? + cpu_of_family(postgres)?);
        let before = cpu()?;
        let outcome = wrk::drive(&store.url, requests, seconds).await?;
        let spent = cpu()?.saturating_sub(before);
        ensure!(
            outcome.failures == 0.0,
            "{} requests failed",
            outcome.failures
        );
        self.rates.push(outcome.per_second);
        self.cpu.push(spent.as_secs_f64() * 1e6 / outcome.requests);
        Ok(())
    }

    fn cell(mut self) -> String {
        let (rate, cpu) = (median(&mut self.rates), median(&mut self.cpu));
        format!("{rate:.0} ({cpu:.0})")
    }
}

fn report(contests: Vec<Contest>, rivals: &[Rival]) {
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for Contest {
        workload, figures, ..
    } in contests
    {
        let [lectern, fastify, fastapi, next] = &figures;
        let (to_next, to_others) = match workload {
            Workload::W5 => (5.0, 2.0),
            _ => (10.0, 3.0),
        };
        let fastest = each(f64::max, &fastify.rates, &fastapi.rates);
        let cheapest = each(f64::min, &fastify.cpu, &fastapi.cpu);
        let cheapest = each(f64::min, &cheapest, &next.cpu);
        for (what, found, bar) in [
            (
                "rate to Next.js",
                ratio(&lectern.rates, &next.rates),
                to_next,
            ),
            (
                "rate to the faster of the others",
                ratio(&lectern.rates, &fastest),
                to_others,
            ),
            (
                "CPU of the cheapest of them to Lectern's",
                ratio(&cheapest, &lectern.cpu),
                3.0,
            ),
        ] {
            let what = format!("{workload}: {what}");
            bars.push(Bar::at_least(what, found.unwrap_or_default(), bar));
        }
        let cells = figures.map(Figures::cell);
        rows.push([vec![workload.to_string()], cells.to_vec()].concat());
    }
    let mut head = vec!["requests a second (CPU µs of each)", "Lectern"];
    head.extend(rivals.iter().map(|rival| rival.name));
    table::print(&head, &rows);
    Bar::print(&bars);
}

/// The better one of each round.
fn each(better: fn(f64, f64) -> f64, these: &[f64], those: &[f64]) -> Vec<f64> {
    let pairs = these.iter().zip(those);
    pairs.map(|(this, that)| better(*this, *that)).collect()
}
