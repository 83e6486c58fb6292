//! Servers of other stacks, in `../rivals`: installed, started, and held against Lectern.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::rig::Rig;
use crate::store::{FRONTEND, Setup, Store};
use crate::workload::{Request, Workload};

const READS: [Workload; 5] = [
    Workload::W1,
    Workload::W2,
    Workload::W3,
    Workload::W4,
    Workload::W6,
];
/// So many requests of a workload have to be answered alike.
const SAMPLE: usize = 50;

/// A running server that does what Lectern does, as far as the workloads ask for it.
pub struct Rival {
    pub name: &'static str,
    pub store: Store,
}

/// Installs and starts them, and makes sure that they answer as Lectern does.
///
/// # Errors
/// When something cannot be installed, does not start, or answers otherwise than Lectern.
pub async fn start(rig: &Rig) -> anyhow::Result<[Rival; 3]> {
    let place = Place::install(rig).await?;
    let node = PathBuf::from("node");
    let python = place.folder.join("venv/bin/python");
    let rivals = [
        place.start("Fastify", &node, "fastify/server.mjs").await?,
        place.start("FastAPI", &python, "fastapi/server.py").await?,
        place.start("Next.js", &node, "nextjs/server.mjs").await?,
    ];
    compare_reads(rig, &rivals).await?;
    try_ticks(rig, &rivals).await?;
    Ok(rivals)
}

/// Where they are installed, and what they are started with.
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

    async fn start(
        &self,
        name: &'static str,
        program: &Path,
        server: &str,
    ) -> anyhow::Result<Rival> {
        let server = self.folder.join(server);
        let variables: Vec<_> = self.variables().collect();
        let setup = Setup {
            database_url: &self.rig.database_url,
            clerk_issuer: self.rig.clerk.issuer(),
            log: Some(&server.with_extension("log")),
            variables: &variables,
        };
        let store = Store::start(program, &[&server.to_string_lossy()], &setup).await?;
        Ok(Rival { name, store })
    }

    fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (*name, value.as_str()))
    }
}

/// Each request is also sent by nobody, and by somebody else.
async fn compare_reads(rig: &Rig, rivals: &[Rival]) -> anyhow::Result<()> {
    let http = client()?;
    let lectern = rig.serve("beside-rivals", &[], &[]).await?;
    let mut requests = vec![Request::get(
        "/v1/products/00000000-0000-4000-8000-000000000000".to_owned(),
    )];
    for workload in READS {
        let own = rig.subjects.requests(workload)?;
        let others = own.iter().cycle().skip(1);
        for (request, other) in own.iter().zip(others).take(SAMPLE) {
            requests.push(request.clone());
            requests.push(Request::get(request.path.clone()));
            requests.push(Request {
                headers: other.headers.clone(),
                ..request.clone()
            });
        }
    }
    for request in requests {
        let expected = ask(&http, &lectern, &request).await?;
        for Rival { name, store } in rivals {
            let found = ask(&http, store, &request).await?;
            let path = &request.path;
            ensure!(
                found == expected,
                "{name}: {path}: {found:?} is not {expected:?}"
            );
        }
    }
    Ok(())
}

/// What was ticked off is complete, until it is unticked.
async fn try_ticks(rig: &Rig, rivals: &[Rival]) -> anyhow::Result<()> {
    let http = client()?;
    let lessons = rig.subjects.requests(Workload::W4)?;
    let changes = rig.subjects.requests(Workload::W5)?;
    let (ticks, unticks) = changes.split_at(lessons.len());
    for Rival { name, store } in rivals {
        for (changes, completed) in [(ticks, true), (unticks, false)] {
            for (change, lesson) in changes.iter().zip(&lessons).take(SAMPLE) {
                let (status, _) = ask(&http, store, change).await?;
                let (_, lesson) = ask(&http, store, lesson).await?;
                let found = (status, lesson.get("completed").and_then(Value::as_bool));
                let path = &change.path;
                ensure!(
                    found == (204, Some(completed)),
                    "{name}: {path}: {found:?} is not 204 and {completed}"
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

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().build()
}
