//! The workloads against their yardsticks, round by round, so that what else the machine does hits all alike.

use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::pgbench::{Recorder, Scripts, Statement};
use crate::process::cpu_of_family;
use crate::rig::{Rig, WITHOUT_CACHES};
use crate::store::Store;
use crate::table::{self, Bar, median};
use crate::workload::{Request, Workload};
use crate::wrk::{self, Outcome};

#[derive(clap::Args)]
pub struct Options {
    /// How large the store is: see `lectern seed --scale`
    #[arg(long, default_value = "1")]
    scale: String,
    /// Some of the workloads: W1,W4
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Workload>,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// For how many seconds each time
    #[arg(long, default_value_t = 5)]
    seconds: u32,
}

const ALL: [Workload; 8] = [
    Workload::W1,
    Workload::W2,
    Workload::W3,
    Workload::W4,
    Workload::W5,
    Workload::W6,
    Workload::W7,
    Workload::W8,
];
/// For how long a store is asked before it is measured, in seconds.
const WARM_UP: u32 = 2;
/// How many scripts `pgbench` takes, which is at most 128.
const SCRIPTS: usize = 100;

/// A workload and what it is held against.
struct Contest {
    workload: Workload,
    requests: PathBuf,
    /// Asks for fixed answers of the same length.
    fixed: Option<PathBuf>,
    /// All that the store sends to the database without caches.
    statements: Option<Scripts>,
    /// What the caches save of it.
    saved: Option<Scripts>,
    figures: Figures,
}

/// Requests a second in each round, and what else was seen of the store with caches.
#[derive(Default)]
struct Figures {
    warm: Vec<f64>,
    cold: Vec<f64>,
    fixed: Vec<f64>,
    statements: Vec<f64>,
    saved: Vec<f64>,
    p99: Vec<f64>,
    /// CPU time of a request in microseconds: the store's, and Postgres's.
    store_cpu: Vec<f64>,
    postgres_cpu: Vec<f64>,
    failures: f64,
}

/// Measures, and prints the figures and the bars.
///
/// # Errors
/// When something does not start, or breaks on the way.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let rig = Rig::start(lectern, &options.scale)?;
    let chosen: &[Workload] = if options.only.is_empty() {
        &ALL
    } else {
        &options.only
    };
    let mut contests = prepare(&rig, chosen).await?;
    let warm = rig.serve("warm", &[], &[]).await?;
    let cold = rig.serve("cold", &["--no-jobs"], &[WITHOUT_CACHES]).await?;
    let fixed = rig.serve_fixed().await?;
    for contest in &contests {
        for store in [&warm, &cold] {
            wrk::drive(&store.url, &contest.requests, WARM_UP).await?;
        }
    }
    for round in 1..=options.rounds {
        for contest in &mut contests {
            eprintln!("round {round}: {}", contest.workload);
            contest
                .play(&rig, [&warm, &cold, &fixed], options.seconds)
                .await?;
        }
    }
    report(&mut contests);
    drop((warm, cold, fixed));
    rig.clerk.stop().await;
    Ok(())
}

/// Finds out what the store sends to the database, and how long its answers are.
async fn prepare(rig: &Rig, workloads: &[Workload]) -> anyhow::Result<Vec<Contest>> {
    let recorder = Recorder::start(&rig.postgres)?;
    let one_connection = ("DATABASE_POOL_SIZE", "1");
    let with = [one_connection];
    let without = [one_connection, WITHOUT_CACHES];
    let warm = rig.serve("recorded-warm", &["--no-jobs"], &with).await?;
    let cold = rig.serve("recorded-cold", &["--no-jobs"], &without).await?;
    let mut contests = Vec::new();
    for &workload in workloads {
        let requests = rig.write(workload)?;
        let sample = sample(rig.subjects.requests(workload)?);
        let fixed = match workload {
            Workload::W1 | Workload::W2 => {
                let length = recorder.mean_length(&cold, &sample).await?;
                let file = rig.folder.join(format!("{workload:?}-fixed.txt"));
                wrk::write(&[Request::get(format!("/fixed/{length}"))], &file)?;
                Some(file)
            }
            _ => None,
        };
        let (mut statements, mut saved) = (None, None);
        if !matches!(workload, Workload::W7 | Workload::W8) {
            let all = recorder.statements(&cold, &sample).await?;
            let left = recorder.statements(&warm, &sample).await?;
            let gone: Vec<_> = all
                .iter()
                .zip(left)
                .map(|(all, left)| without_those(all, left))
                .collect();
            statements = scripts(rig, workload, "all", all)?;
            saved = scripts(rig, workload, "saved", gone)?;
        }
        contests.push(Contest {
            workload,
            requests,
            fixed,
            statements,
            saved,
            figures: Figures::default(),
        });
    }
    Ok(contests)
}

/// As many as there can be scripts, from all over.
fn sample(requests: Vec<Request>) -> Vec<Request> {
    let step = requests.len().div_ceil(SCRIPTS).max(1);
    requests.into_iter().step_by(step).collect()
}

/// The statements of the first list that are not in the second.
fn without_those(all: &[Statement], mut left: Vec<Statement>) -> Vec<Statement> {
    let mut gone = all.to_vec();
    gone.retain(|statement| {
        let still = left.iter().position(|left| left.sql == statement.sql);
        still.map(|place| left.remove(place)).is_none()
    });
    gone
}

/// Scripts of these statements, unless there are none. A lesson is ticked off and unticked in one script, so that both
/// change something, as they do in the workload.
fn scripts(
    rig: &Rig,
    workload: Workload,
    name: &str,
    statements: Vec<Vec<Statement>>,
) -> anyhow::Result<Option<Scripts>> {
    if statements.iter().any(Vec::is_empty) {
        return Ok(None);
    }
    let (statements, requests) = match workload {
        Workload::W5 => {
            let (ticks, unticks) = statements.split_at(statements.len() / 2);
            let pairs = ticks.iter().zip(unticks);
            let both = pairs.map(|(tick, untick)| [tick.as_slice(), untick].concat());
            (both.collect(), 2)
        }
        _ => (statements, 1),
    };
    let folder = rig.folder.join(format!("{workload:?}-{name}"));
    Scripts::write(&folder, &statements, requests).map(Some)
}

impl Contest {
    async fn play(&mut self, rig: &Rig, stores: [&Store; 3], seconds: u32) -> anyhow::Result<()> {
        let [warm, cold, fixed] = stores;
        let figures = &mut self.figures;
        if let Some(file) = &self.fixed {
            let outcome = wrk::drive(&fixed.url, file, seconds).await?;
            ensure!(outcome.failures == 0.0, "fixed answers failed");
            figures.fixed.push(outcome.per_second);
        }
        for (scripts, rates) in [
            (&self.statements, &mut figures.statements),
            (&self.saved, &mut figures.saved),
        ] {
            if let Some(scripts) = scripts {
                rates.push(scripts.run(&rig.database_url, seconds).await?);
            }
        }
        if self.workload == Workload::W8 {
            self.requests = rig.write(self.workload)?;
        } else {
            let outcome = wrk::drive(&cold.url, &self.requests, seconds).await?;
            figures.cold.push(outcome.per_second);
            figures.failures += outcome.failures;
        }
        let postgres = rig.postgres.pid()?;
        let before = (cpu_of_family(warm.pid())?, cpu_of_family(postgres)?);
        let Outcome {
            requests,
            per_second,
            p99,
            failures,
        } = wrk::drive(&warm.url, &self.requests, seconds).await?;
        let store_cpu = cpu_of_family(warm.pid())? - before.0;
        let postgres_cpu = cpu_of_family(postgres)?.saturating_sub(before.1);
        figures.warm.push(per_second);
        figures.p99.push(p99.as_secs_f64() * 1e3);
        figures
            .store_cpu
            .push(store_cpu.as_secs_f64() * 1e6 / requests);
        let of_postgres = postgres_cpu.as_secs_f64() * 1e6 / requests;
        figures.postgres_cpu.push(of_postgres);
        figures.failures += failures;
        Ok(())
    }
}

/// The median of what each round says of one against the other.
pub fn ratio(these: &[f64], those: &[f64]) -> Option<f64> {
    let mut ratios: Vec<_> = these
        .iter()
        .zip(those)
        .map(|(this, that)| this / that)
        .collect();
    (!ratios.is_empty()).then(|| median(&mut ratios))
}

fn report(contests: &mut [Contest]) {
    let mut bars = Vec::new();
    for contest in contests.iter() {
        let (workload, figures) = (contest.workload, &contest.figures);
        if let Some(found) = ratio(&figures.warm, &figures.fixed) {
            bars.push(Bar::at_least(
                format!("{workload}: warm to fixed"),
                found,
                0.7,
            ));
        }
        let bar = match workload {
            Workload::W2 | Workload::W3 | Workload::W6 => Some(0.6),
            Workload::W4 | Workload::W5 => Some(0.4),
            _ => None,
        };
        if let (Some(found), Some(bar)) = (ratio(&figures.cold, &figures.statements), bar) {
            let what = format!("{workload}: caches off to pgbench of the same statements");
            bars.push(Bar::at_least(what, found, bar));
        }
        if let (Workload::W4 | Workload::W6, Some(found)) =
            (workload, ratio(&figures.warm, &figures.saved))
        {
            let what = format!("{workload}: warm to pgbench of the statements saved");
            bars.push(Bar::at_least(what, found, 1.0));
        }
    }
    let rows: Vec<_> = contests.iter_mut().map(row).collect();
    table::print(
        &[
            "requests a second",
            "warm",
            "caches off",
            "fixed",
            "pgbench",
            "pgbench of what is saved",
            "p99 warm, ms",
            "CPU µs: store",
            "Postgres",
            "failed",
        ],
        &rows,
    );
    Bar::print(&bars);
}

fn row(contest: &mut Contest) -> Vec<String> {
    let figures = &mut contest.figures;
    let mut row = vec![contest.workload.to_string()];
    for rates in [
        &mut figures.warm,
        &mut figures.cold,
        &mut figures.fixed,
        &mut figures.statements,
        &mut figures.saved,
    ] {
        row.push(match rates.is_empty() {
            true => "-".to_owned(),
            false => format!("{:.0}", median(rates)),
        });
    }
    row.push(format!("{:.1}", median(&mut figures.p99)));
    row.push(format!("{:.0}", median(&mut figures.store_cpu)));
    row.push(format!("{:.0}", median(&mut figures.postgres_cpu)));
    row.push(figures.failures.to_string());
    row
}
