//! The steps of a start, taken under the folder's lock: join a running server, else create the cluster, else run it.

use std::{
    fs,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types::Text};
use secrecy::{ExposeSecret, SecretString};

use super::{
    PostgresError, Progress,
    account::command,
    binaries::{Binaries, Search},
    folder::{self, Folder},
    password,
    pidfile::PidFile,
    server::{Cleaner, Server, TICK, free_port},
};

/// The superuser, and the database that every cluster has.
pub(super) const SUPERUSER: &str = "postgres";
/// A start takes 0.2 s; one after a crash replays what was not written to the tables.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a start that failed for a passing reason is tried again.
const ATTEMPTS: usize = 20;
/// How many lines of the log an error shows.
const TAIL: usize = 12;

/// The libpq URL of a database. No TLS on the loopback interface, whatever `PGSSLMODE` says.
pub(super) fn url(port: u16, password: &SecretString, database: &str) -> String {
    let database: String = database
        .bytes()
        .map(|byte| match byte {
            b'_' | b'-' => char::from(byte).to_string(),
            plain if plain.is_ascii_alphanumeric() => char::from(plain).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let password = password.expose_secret();
    format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// The port and password of the server that runs on this folder already. One that is starting or stopping is waited for.
pub(super) fn join(
    folder: &Folder,
    progress: Progress<'_>,
) -> Result<Option<(u16, SecretString)>, PostgresError> {
    let data = folder.data();
    let mut patience = Patience::new("Waiting for the Postgres that runs on this folder");
    while let Some(running) = PidFile::read(&data).filter(|found| found.runs_on(&data)) {
        let password = read_password(folder)?;
        if running.ready && folder.is_claimed()? && is_ours(running.port, &password, folder) {
            return Ok(Some((running.port, password)));
        }
        if !patience.wait(progress) {
            let pid = running.pid;
            return Err(PostgresError::Unanswering { pid, data });
        }
    }
    Ok(None)
}

/// Finds the programs, and creates the cluster where there is none.
pub(super) fn prepare(
    search: &Search,
    folder: &Folder,
    durable: bool,
    cleaner: Option<&Cleaner>,
    progress: Progress<'_>,
) -> Result<Binaries, PostgresError> {
    let (data, account) = (folder.data(), folder.account.as_ref());
    let written_by = fs::read_to_string(data.join("PG_VERSION"))
        .ok()
        .and_then(|text| text.trim().parse().ok());
    if let Some(major) = written_by {
        return search.find_version(major, &data, account, progress);
    }
    let binaries = search.find(account, progress)?;
    progress(&format!(
        "Creating a PostgreSQL {} cluster in {}",
        binaries.major(),
        folder.root().display()
    ));
    // The C.UTF-8 locale sorts alike on every machine. From 17 on Postgres brings it; before, not every system has it.
    let locales: &[&[&str]] = match binaries.major() {
        17.. => &[&[
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
        ]],
        _ => &[&["--locale=C.UTF-8"], &["--locale=C"]],
    };
    let mut output = String::new();
    for locale in locales {
        match initdb(&binaries, folder, locale, durable, cleaner)? {
            None => return Ok(binaries),
            Some(said) => output = said,
        }
    }
    Err(PostgresError::Initdb { data, output })
}

/// Runs `initdb`; what it said, if it failed.
fn initdb(
    binaries: &Binaries,
    folder: &Folder,
    locale: &[&str],
    durable: bool,
    cleaner: Option<&Cleaner>,
) -> Result<Option<String>, PostgresError> {
    let (unfinished, verifier) = (folder.unfinished(), folder.verifier());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(PostgresError::folder("remove", &unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(PostgresError::folder("create", &unfinished))?;
    let secret = password::generate();
    write_private(&folder.password(), secret.expose_secret())?;
    write_private(&verifier, &password::verifier(&secret))?;
    if let Some(account) = &folder.account {
        account.own(&unfinished)?;
        account.own(&verifier)?;
    }
    let program = binaries.program("initdb");
    let mut initdb = command(&program, folder.account.as_ref(), folder.root());
    initdb
        .arg("--pgdata")
        .arg(&unfinished)
        .arg("--pwfile")
        .arg(&verifier)
        .args(["--username", SUPERUSER, "--auth=scram-sha-256"])
        .args(["--encoding=UTF8", "--no-instructions"])
        .args(locale);
    if !durable {
        initdb.arg("--no-sync");
    }
    // `initdb` reads nothing. Holding one of these it keeps the folder from being removed or created once more until it
    // has ended, should we be killed meanwhile.
    initdb.stdin(match cleaner {
        Some(cleaner) => cleaner.until_closed()?,
        None => folder.until_closed()?,
    });
    let done = initdb
        .output()
        .map_err(PostgresError::run(program.display().to_string()))?;
    if !done.status.success() {
        return Ok(Some(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    fs::remove_file(&verifier).map_err(PostgresError::folder("remove", &verifier))?;
    fs::rename(&unfinished, folder.data()).map_err(PostgresError::folder("rename", &unfinished))?;
    Ok(None)
}

fn write_private(path: &Path, line: &str) -> Result<(), PostgresError> {
    folder::private(path)
        .and_then(|mut file| writeln!(file, "{line}"))
        .map_err(PostgresError::folder("write", path))
}

/// Runs the server until it answers, on a free port.
pub(super) fn run(
    binaries: &Binaries,
    folder: &Folder,
    durable: bool,
    cleaner: Option<&Cleaner>,
    progress: Progress<'_>,
) -> Result<(Server, u16, SecretString), PostgresError> {
    let password = read_password(folder)?;
    let mut patience = Patience::new("Waiting for Postgres to start");
    let mut attempt = 1;
    loop {
        let port = free_port().map_err(PostgresError::folder("listen for", folder.root()))?;
        let mut server = Server::spawn(binaries, folder, port, durable, cleaner)?;
        if answers(
            &mut server,
            port,
            &password,
            folder,
            &mut patience,
            progress,
        ) {
            return Ok((server, port, password));
        }
        drop(server);
        let log = fs::read_to_string(folder.log()).unwrap_or_default();
        if attempt == ATTEMPTS || !passing(&log, folder) {
            let lines: Vec<_> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(TAIL)..);
            return Err(PostgresError::Start {
                log: folder.log(),
                tail: tail.unwrap_or_default().join("\n"),
            });
        }
        attempt += 1;
        thread::sleep(TICK * 10);
    }
}

/// Waits until the server answers, and false when it ends first or takes too long.
fn answers(
    server: &mut Server,
    port: u16,
    password: &SecretString,
    folder: &Folder,
    patience: &mut Patience,
    progress: Progress<'_>,
) -> bool {
    while !server.ended() {
        // A file of a crashed server has another port, and is replaced as the first thing.
        let ready =
            PidFile::read(&folder.data()).is_some_and(|found| found.ready && found.port == port);
        if ready && is_ours(port, password, folder) {
            return true;
        }
        if !patience.wait(progress) {
            return false;
        }
    }
    false
}

/// Whether the reason in the log passes: the port was lost to somebody else, or a crashed server left something.
fn passing(log: &str, folder: &Folder) -> bool {
    let data = folder.data();
    if log.contains("could not bind") || log.contains("pre-existing shared memory block") {
        return true;
    }
    // Postgres takes any living process with the number in the file for a server. We know better: it is not one on this
    // data, so the file is an old one.
    log.contains("\"postmaster.pid\" already exists")
        && PidFile::read(&data).is_some_and(|found| !found.runs_on(&data))
        && fs::remove_file(data.join("postmaster.pid")).is_ok()
}

/// Whether the server on `port` is the one on this folder, and not one that took the port before it.
fn is_ours(port: u16, password: &SecretString, folder: &Folder) -> bool {
    #[derive(QueryableByName)]
    struct Shown {
        #[diesel(sql_type = Text)]
        data_directory: String,
    }
    let url = format!("{}&connect_timeout=2", url(port, password, SUPERUSER));
    PgConnection::establish(&url).is_ok_and(|mut connection| {
        sql_query("SHOW data_directory")
            .get_result::<Shown>(&mut connection)
            .is_ok_and(|shown| folder.data().as_os_str() == shown.data_directory.as_str())
    })
}

fn read_password(folder: &Folder) -> Result<SecretString, PostgresError> {
    let path = folder.password();
    let text = fs::read_to_string(&path).map_err(PostgresError::folder("read", path))?;
    Ok(text.trim().into())
}

/// Polls until the limit, and says so once when it takes longer than a second.
struct Patience {
    since: Instant,
    message: Option<&'static str>,
}

impl Patience {
    fn new(message: &'static str) -> Self {
        Self {
            since: Instant::now(),
            message: Some(message),
        }
    }

    /// Waits one tick; false when the limit is reached.
    fn wait(&mut self, progress: Progress<'_>) -> bool {
        if self.since.elapsed() > Duration::from_secs(1)
            && let Some(message) = self.message.take()
        {
            progress(message);
        }
        thread::sleep(TICK);
        self.since.elapsed() < LIMIT
    }
}
