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

/// In the order of the columns.
const NAMES: [&str; 4] = ["Lectern", "Fastify", "FastAPI", "Next.js"];
const READS: [Workload; 5] = [
    Workload::W1,
    Workload::W2,
    Workload::W3,
    Workload::W4,
    Workload::W6,
];
/// For how long a server is asked each time before it is measured, in seconds.
const WARM_UP: u32 = 2;
/// So many requests of a workload have to be answered alike.
const SAMPLE: usize = 50;
/// So many lessons are ticked off before they are unticked: more than there are connections, so that none is unticked
/// before it is ticked off, and few, so that few are ticked already when a server has its turn.
const TICKS: usize = 100;

/// Requests a second, and the CPU time of a request in microseconds, the server's and Postgres's: a number for each round.
#[derive(Default)]
struct Figures {
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

type Results = Vec<(Workload, [Figures; NAMES.len()])>;

/// Measures, and prints the figures and the bars.
///
/// # Errors
/// When something cannot be installed, does not start, answers otherwise than Lectern, or breaks on the way.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let rig = Rig::start(lectern, &options.scale)?;
    let place = Place::install(&rig).await?;
    let python = place.folder.join("venv/bin/python");
    let rivals = [
        place.start(Path::new("node"), "fastify/server.mjs").await?,
        place.start(&python, "fastapi/server.py").await?,
        place.start(Path::new("node"), "nextjs/server.mjs").await?,
    ];
    compare(&rig, &rivals).await?;
    let mut results = Results::default();
    for &workload in &options.only {
        let file = write(&rig, workload)?;
        // Their languages compile what runs often, some time after it began to.
        for rival in &rivals {
            wrk::drive(&rival.url, &file, WARM_UP).await?;
        }
        results.push((workload, Default::default()));
    }
    for round in 1..=options.rounds {
        for (workload, [lectern, others @ ..]) in &mut results {
            eprintln!("round {round}: {workload}");
            let file = write(&rig, *workload)?;
            // It runs in its own turn alone: it listens to what the others change, which would cost them something.
            let store = rig.serve("beside-rivals", &[], &[]).await?;
            lectern
                .measure(&rig, &store, &file, options.seconds)
                .await?;
            drop(store);
            for (figures, rival) in others.iter_mut().zip(&rivals) {
                figures.measure(&rig, rival, &file, options.seconds).await?;
            }
        }
    }
    report(results);
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

/// Where the others are installed, and what they are started with.
struct Place<'a> {
    rig: &'a Rig,
    folder: PathBuf,
    variables: [(&'static str, String); 6],
}

impl<'a> Place<'a> {
    /// Copies them, and fetches and builds what they need.
    async fn install(rig: &'a Rig) -> anyhow::Result<Self> {
        let folder = rig.folder.join("rivals");
        std::fs::create_dir_all(&folder)?;
        let variables = [
            ("PATH", std::env::var("PATH")?),
            ("NODE_ENV", "production".to_owned()),
            ("NEXT_TELEMETRY_DISABLED", "1".to_owned()),
            ("STATEMENTS", folder.join("sql").display().to_string()),
            // `next build` runs the beginning of what it builds.
            ("CLERK_ISSUER", rig.clerk.issuer().to_owned()),
            ("CLERK_AUTHORIZED_PARTIES", FRONTEND.to_owned()),
        ];
        let place = Self {
            rig,
            folder,
            variables,
        };
        let copy = concat!("cp -r ", env!("CARGO_MANIFEST_DIR"), "/rivals/. .");
        for command in [
            copy,
            "npm install --ignore-scripts --no-audit --no-fund --no-package-lock --silent",
            "node_modules/.bin/next build nextjs",
            "python3 -m venv venv",
            "venv/bin/pip install --quiet --disable-pip-version-check --requirement fastapi/requirements.txt",
        ] {
            eprintln!("{command}");
            place.command(command).await?;
        }
        Ok(place)
    }

    async fn command(&self, command: &str) -> anyhow::Result<()> {
        let mut words = command.split(' ');
        let program = words.next().unwrap_or_default();
        let done = Command::new(program)
            .args(words)
            .current_dir(&self.folder)
            .envs(self.variables())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("{program} cannot be started"))?;
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(done.status.success(), "{command}: {said}");
        Ok(())
    }

    async fn start(&self, program: &Path, server: &str) -> anyhow::Result<Store> {
        let server = self.folder.join(server);
        let variables: Vec<_> = self.variables().collect();
        let setup = Setup {
            database_url: &self.rig.database_url,
            clerk_issuer: self.rig.clerk.issuer(),
            log: Some(&server.with_extension("log")),
            variables: &variables,
        };
        Store::start(program, &[&server.to_string_lossy()], &setup).await
    }

    fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (*name, value.as_str()))
    }
}

/// Holds the answers of the others against Lectern's, those to people who may not see a thing included.
async fn compare(rig: &Rig, rivals: &[Store]) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let lectern = rig.serve("beside-rivals", &[], &[]).await?;
    let mut requests = vec![Request::get(
        "/v1/products/00000000-0000-4000-8000-000000000000".to_owned(),
    )];
    for workload in READS {
        let own = rig.subjects.requests(workload)?;
        let another = own.iter().cycle().skip(1);
        for (request, another) in own.iter().zip(another).take(SAMPLE) {
            requests.push(request.clone());
            requests.push(Request::get(request.path.clone()));
            requests.push(Request {
                headers: another.headers.clone(),
                ..request.clone()
            });
        }
    }
    let mut expected = Vec::new();
    for request in &requests {
        expected.push(ask(&http, &lectern, request).await?);
    }
    drop(lectern);
    for (name, rival) in NAMES.iter().skip(1).zip(rivals) {
        for (request, expected) in requests.iter().zip(&expected) {
            let found = ask(&http, rival, request).await?;
            let path = &request.path;
            ensure!(
                found == *expected,
                "{name}: {path}: {found:?} is not {expected:?}"
            );
        }
        let lessons = rig.subjects.requests(Workload::W4)?;
        let changes = rig.subjects.requests(Workload::W5)?;
        let (ticks, unticks) = changes.split_at(lessons.len());
        for (changes, completed) in [(ticks, true), (unticks, false)] {
            for (change, lesson) in changes.iter().zip(&lessons).take(SAMPLE) {
                let (status, _) = ask(&http, rival, change).await?;
                let (_, lesson) = ask(&http, rival, lesson).await?;
                let found = (status, lesson.get("completed").and_then(Value::as_bool));
                let path = &change.path;
                ensure!(
                    found == (204, Some(completed)),
                    "{name}: {path}: {found:?} is not 204, and {completed}"
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
    let answer = request.send(http, &store.url).await?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Ok((status, Value::Null));
    }
    let mut body: Value = answer.json().await?;
    if let Some(cursor) = body.get_mut("nextCursor") {
        *cursor = cursor.is_string().into();
    }
    Ok((status, body))
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

fn report(results: Results) {
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for (workload, figures) in results {
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
    let head = [&["requests a second (CPU µs of each)"][..], &NAMES].concat();
    table::print(&head, &rows);
    Bar::print(&bars);
}

/// The better one of each round.
fn each(better: fn(f64, f64) -> f64, these: &[f64], those: &[f64]) -> Vec<f64> {
    let pairs = these.iter().zip(those);
    pairs.map(|(this, that)| better(*this, *that)).collect()
}
