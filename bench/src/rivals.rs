//! Lectern beside servers of other stacks, which do the same work on the same database: `../rivals`.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::process::cpu_of_family;
use crate::rig::Rig;
use crate::run::ratio;
use crate::store::{FRONTEND, Setup, Store};
use crate::table::{self, Bar, median};
use crate::workload::{Request, Workload};
use crate::wrk;

#[derive(clap::Args)]
pub struct Options {
    /// How large the store is: see `lectern seed --scale`
    #[arg(long, default_value = "1")]
    scale: String,
    /// Some of the workloads
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

/// For how long a server is asked before each time that it is measured, in seconds.
const WARM_UP: u32 = 2;
/// How many requests of a workload have to be answered alike.
const SAMPLE: usize = 50;
/// So many lessons are ticked off before they are unticked: more than there are connections, so that nothing is unticked
/// too early, and few, so that little is ticked already when a server has its turn.
const TICKS: usize = 100;
/// In the order of the columns.
const NAMES: [&str; 4] = ["Lectern", "Fastify", "FastAPI", "Next.js"];

/// Requests a second, and the CPU time of a request in microseconds, the server's and Postgres's: a number for each round.
#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

/// Measures, and prints the figures and the bars.
///
/// # Errors
/// When something cannot be installed, does not start, answers otherwise than Lectern, or breaks on the way.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let rig = Rig::start(lectern, &options.scale)?;
    let rivals = Rivals::install(&rig).await?;
    let rivals = [
        rivals.start("node", "fastify/server.mjs").await?,
        rivals.start("venv/bin/python", "fastapi/server.py").await?,
        rivals.start("node", "nextjs/server.mjs").await?,
    ];
    compare(&rig, &rivals).await?;
    let mut results = Vec::new();
    for &workload in &options.only {
        let file = rig.folder.join(format!("{workload:?}-rivals.txt"));
        wrk::write(&requests(&rig, workload)?, &file)?;
        results.push((workload, file, <[Figures; NAMES.len()]>::default()));
    }
    for round in 1..=options.rounds {
        for (workload, file, figures) in &mut results {
            eprintln!("round {round}: {workload}");
            let [lectern, others @ ..] = figures;
            // It runs in its own turn alone: it listens to what the others change, which costs.
            let store = rig.serve("beside-rivals", &[], &[]).await?;
            lectern.measure(&rig, &store, file, options.seconds).await?;
            drop(store);
            for (figures, store) in others.iter_mut().zip(&rivals) {
                figures.measure(&rig, store, file, options.seconds).await?;
            }
        }
    }
    report(results.into_iter().map(|(workload, _, it)| (workload, it)));
    drop(rivals);
    rig.clerk.stop().await;
    Ok(())
}

/// What is sent. Of W5, a few ticks and then their end.
fn requests(rig: &Rig, workload: Workload) -> anyhow::Result<Vec<Request>> {
    let requests = rig.subjects.requests(workload)?;
    if workload != Workload::W5 {
        return Ok(requests);
    }
    let (ticks, unticks) = requests.split_at(requests.len() / 2);
    let pairs = ticks.chunks(TICKS).zip(unticks.chunks(TICKS));
    Ok(pairs
        .flat_map(|(tick, untick)| [tick, untick].concat())
        .collect())
}

/// Where the servers are, and what they are started with.
struct Rivals<'a> {
    rig: &'a Rig,
    folder: PathBuf,
    variables: [(&'static str, String); 6],
}

impl<'a> Rivals<'a> {
    /// Copies them, and fetches and builds what they need.
    async fn install(rig: &'a Rig) -> anyhow::Result<Self> {
        let folder = rig.folder.join("rivals");
        let variables = [
            ("PATH", std::env::var("PATH")?),
            ("NODE_ENV", "production".to_owned()),
            ("NEXT_TELEMETRY_DISABLED", "1".to_owned()),
            ("STATEMENTS", folder.join("sql").display().to_string()),
            // `next build` looks at what it builds.
            ("CLERK_ISSUER", rig.clerk.issuer().to_owned()),
            ("CLERK_AUTHORIZED_PARTIES", FRONTEND.to_owned()),
        ];
        let rivals = Self {
            rig,
            folder,
            variables,
        };
        std::fs::create_dir_all(&rivals.folder)?;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/rivals/.");
        for command in [
            &format!("cp -r {source} .")[..],
            "npm install --omit=dev --ignore-scripts --no-audit --no-fund --no-package-lock --silent",
            "node_modules/.bin/next build nextjs",
            "python3 -m venv venv",
            "venv/bin/pip install --quiet --disable-pip-version-check --requirement fastapi/requirements.txt",
        ] {
            rivals.command(command).await?;
        }
        Ok(rivals)
    }

    async fn command(&self, command: &str) -> anyhow::Result<()> {
        eprintln!("{command}");
        let mut words = command.split(' ');
        let program = words.next().unwrap_or_default();
        let done = Command::new(program)
            .args(words)
            .current_dir(&self.folder)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("{program} cannot be started"))?;
        let said = [done.stdout, done.stderr].concat();
        ensure!(
            done.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&said)
        );
        Ok(())
    }

    async fn start(&self, program: &str, server: &str) -> anyhow::Result<Store> {
        let program = match program.contains('/') {
            true => self.folder.join(program),
            false => program.into(),
        };
        let variables: Vec<_> = self
            .variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let log = self.folder.join(server).with_extension("log");
        let setup = Setup {
            database_url: &self.rig.database_url,
            clerk_issuer: self.rig.clerk.issuer(),
            log: Some(&log),
            variables: &variables,
        };
        let server = self.folder.join(server).display().to_string();
        Store::start(&program, &[&server], &setup).await
    }
}

/// Holds the answers of the rivals against Lectern's.
async fn compare(rig: &Rig, rivals: &[Store]) -> anyhow::Result<()> {
    let lectern = rig.serve("beside-rivals", &[], &[]).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut reads = vec![Request::get(format!("/v1/products/{}", uuid_of_nothing()))];
    for workload in [
        Workload::W1,
        Workload::W2,
        Workload::W3,
        Workload::W4,
        Workload::W6,
    ] {
        let requests = rig.subjects.requests(workload)?;
        reads.extend(requests.into_iter().take(SAMPLE));
    }
    // Each asks for what is the next one's, and then nobody does.
    let strangers = reads.windows(2).filter_map(|pair| match pair {
        [one, other] => Some(Request {
            headers: other.headers.clone(),
            ..one.clone()
        }),
        _ => None,
    });
    let strangers: Vec<_> = strangers.collect();
    let nobody = reads.iter().map(|read| Request::get(read.path.clone()));
    let all: Vec<_> = [reads.clone(), strangers, nobody.collect()].concat();
    for (name, rival) in NAMES.iter().skip(1).zip(rivals) {
        for request in &all {
            let expected = ask(&http, &lectern, request).await?;
            let found = ask(&http, rival, request).await?;
            ensure!(
                found == expected,
                "{name}: {}: {found:?}, but {expected:?}",
                request.path
            );
        }
        let lessons = rig.subjects.requests(Workload::W4)?;
        let changes = rig.subjects.requests(Workload::W5)?;
        let (ticks, unticks) = changes.split_at(lessons.len());
        for (changes, completed) in [(ticks, true), (unticks, false)] {
            for (change, lesson) in changes.iter().zip(&lessons).take(SAMPLE) {
                let (status, _) = ask(&http, rival, change).await?;
                let (_, body) = ask(&http, rival, lesson).await?;
                ensure!(
                    status == 204 && body.get("completed") == Some(&completed.into()),
                    "{name}: {}: {status}, {body}",
                    change.path
                );
            }
        }
    }
    Ok(())
}

/// Status and body. What a cursor looks like is everybody's own business, and so is what is said of a refusal.
async fn ask(
    http: &reqwest::Client,
    store: &Store,
    request: &Request,
) -> anyhow::Result<(u16, Value)> {
    let mut asked = http.request(
        request.method.parse()?,
        format!("{}{}", store.url, request.path),
    );
    for (name, value) in &request.headers {
        asked = asked.header(*name, value);
    }
    let answer = asked.send().await?;
    let status = answer.status().as_u16();
    let mut body = Value::Null;
    if status == 200 {
        body = answer.json().await?;
        if let Some(cursor) = body.get_mut("nextCursor") {
            *cursor = cursor.is_string().into();
        }
    }
    Ok((status, body))
}

const fn uuid_of_nothing() -> &'static str {
    "00000000-0000-4000-8000-000000000000"
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
        format!(
            "{:.0} ({:.0})",
            median(&mut self.rates),
            median(&mut self.cpu)
        )
    }
}

fn report(results: impl Iterator<Item = (Workload, [Figures; NAMES.len()])>) {
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for (workload, figures) in results {
        let [lectern, fastify, fastapi, next] = &figures;
        let (to_next, to_others) = match workload {
            Workload::W5 => (5.0, 2.0),
            _ => (10.0, 3.0),
        };
        let best = each(f64::max, &fastify.rates, &fastapi.rates);
        let least = each(f64::min, &fastify.cpu, &fastapi.cpu);
        let least = each(f64::min, &least, &next.cpu);
        for (what, ratio, bar) in [
            (
                "rate to Next.js's",
                ratio(&lectern.rates, &next.rates),
                to_next,
            ),
            (
                "rate to the best of the others",
                ratio(&lectern.rates, &best),
                to_others,
            ),
            (
                "CPU of the best of the others to Lectern's",
                ratio(&least, &lectern.cpu),
                3.0,
            ),
        ] {
            let found = ratio.unwrap_or_default();
            bars.push(Bar::at_least(format!("{workload}: {what}"), found, bar));
        }
        let cells = figures.map(Figures::cell);
        rows.push([vec![workload.to_string()], cells.to_vec()].concat());
    }
    let head = [&["requests a second (CPU µs of each)"][..], &NAMES].concat();
    table::print(&head, &rows);
    Bar::print(&bars);
}

/// The better one of each round.
fn each(better: fn(f64, f64) -> f64, these: &[f64], those: &[f64]) -> Vec<f64> {
    let pairs = these.iter().zip(those);
    pairs.map(|(this, that)| better(*this, *that)).collect()
}
