//! The Postgres for one command: what a person who types `cargo run`, and the test harness, rely on.
#![cfg(feature = "dev")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail the test"
)]

use std::{
    env, fs, io,
    io::BufRead,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection, PgConnection, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{Integer, Text},
};
use lectern::dev::postgres::{
    Cluster, ClusterOptions, PostgresError, Search, default_data_dir, ephemeral_data_dir,
};

/// A folder name of its own for each test; what is left of it is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(ephemeral_data_dir().unwrap())
    }

    fn options(&self, ephemeral: bool) -> ClusterOptions {
        ClusterOptions {
            data_dir: self.0.clone(),
            durable: false,
            ephemeral,
        }
    }

    fn start(&self) -> Cluster {
        Cluster::start(&self.options(false), &mut |_| {}).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound && !thread::panicking() => {
                panic!("{error}")
            }
            _ => (),
        }
    }
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Text)]
    answer: String,
}

fn connect(cluster: &Cluster, database: &str) -> PgConnection {
    PgConnection::establish(&cluster.url(database)).unwrap()
}

/// The one value, as text, of a query that calls it `answer`.
fn ask(connection: &mut PgConnection, query: &str) -> String {
    let row: Answer = sql_query(query).get_result(connection).unwrap();
    row.answer
}

fn setting(connection: &mut PgConnection, name: &str) -> String {
    ask(
        connection,
        &format!("SELECT current_setting('{name}') AS answer"),
    )
}

/// Waits for something that another process does.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_new_cluster_answers_and_is_set_up_for_tests() {
    let scratch = Scratch::new();
    let cluster = scratch.start();
    assert!(cluster.is_owner());
    let mut connection = connect(&cluster, "postgres");
    for (name, expected) in [
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("listen_addresses", "127.0.0.1"),
    ] {
        assert_eq!(setting(&mut connection, name), expected, "{name}");
    }
    // Code point order, and case mapping beyond ASCII.
    let sorted =
        "SELECT string_agg(t, '' ORDER BY t) AS answer FROM unnest(ARRAY['a', 'B', 'é']) t";
    assert_eq!(ask(&mut connection, sorted), "Baé");
}

#[test]
fn a_durable_cluster_forces_its_writes_to_disk() {
    let scratch = Scratch::new();
    let options = ClusterOptions {
        durable: true,
        ..scratch.options(false)
    };
    let cluster = Cluster::start(&options, &mut |_| {}).unwrap();
    assert_eq!(setting(&mut connect(&cluster, "postgres"), "fsync"), "on");
}

#[test]
fn nobody_gets_in_without_the_password() {
    let scratch = Scratch::new();
    let cluster = scratch.start();
    let url = cluster.url("postgres");
    let (before, host) = url.split_once('@').unwrap();
    let (user, password) = before.rsplit_once(':').unwrap();
    assert_eq!(password.len(), 64);
    for other in [format!("{user}:guess@{host}"), format!("{user}@{host}")] {
        let refused = PgConnection::establish(&other).err().unwrap();
        assert!(refused.to_string().contains("password"), "{refused}");
    }
    assert!(!format!("{cluster:?}").contains(password));
    let mode = std::os::unix::fs::MetadataExt::mode;
    for private in ["password", "server.log", "data"] {
        let found = fs::metadata(scratch.0.join(private)).unwrap();
        assert_eq!(mode(&found) & 0o077, 0, "{private}");
    }
}

#[test]
fn databases_are_created_once_whatever_their_names() {
    let scratch = Scratch::new();
    let cluster = scratch.start();
    for name in ["lectern", "a \"b\"/ä?", "lectern"] {
        cluster.create_database_if_missing(name).unwrap();
        let mut connection = connect(&cluster, name);
        assert_eq!(
            ask(&mut connection, "SELECT current_database()::text AS answer"),
            name
        );
    }
}

#[test]
fn data_survives_a_stop_and_a_start() {
    let scratch = Scratch::new();
    let first = scratch.start();
    let sql = "CREATE TABLE kept AS SELECT 'still here' AS answer";
    connect(&first, "postgres").batch_execute(sql).unwrap();
    let url = first.url("postgres");
    first.stop().unwrap();
    assert!(PgConnection::establish(&url).is_err());

    let mut heard = Vec::new();
    let second = Cluster::start(&scratch.options(false), &mut |said| {
        heard.push(said.to_owned());
    });
    let second = second.unwrap();
    let mut connection = connect(&second, "postgres");
    assert_eq!(
        ask(&mut connection, "SELECT answer FROM kept"),
        "still here"
    );
    assert!(heard.is_empty(), "nothing took long: {heard:?}");
}

#[test]
fn a_second_start_joins_the_server_and_leaves_it_running() {
    let scratch = Scratch::new();
    let owner = scratch.start();
    let guest = scratch.start();
    assert!(owner.is_owner() && !guest.is_owner());
    assert_eq!(owner.url("postgres"), guest.url("postgres"));
    guest.stop().unwrap();
    connect(&owner, "postgres");
}

#[test]
fn starts_at_the_same_time_share_one_server() {
    let scratch = Scratch::new();
    let clusters: Vec<_> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| scratch.start())).collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert_eq!(
        clusters.iter().filter(|cluster| cluster.is_owner()).count(),
        1
    );
    for cluster in &clusters {
        connect(cluster, "postgres");
    }
}

#[test]
fn an_ephemeral_cluster_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let cluster = Cluster::start(&scratch.options(true), &mut |_| {}).unwrap();
    connect(&cluster, "postgres");
    assert!(scratch.0.join("data").exists());
    cluster.stop().unwrap();
    assert!(!scratch.0.exists());
}

#[test]
fn an_ephemeral_cluster_removes_no_file_that_is_not_its_own() {
    let scratch = Scratch::new();
    let cluster = Cluster::start(&scratch.options(true), &mut |_| {}).unwrap();
    fs::write(scratch.0.join("notes.txt"), "mine").unwrap();
    cluster.stop().unwrap();
    let left: Vec<_> = fs::read_dir(&scratch.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["notes.txt"]);
}

/// Not a test of its own: the process that the next tests end in several ways.
#[test]
#[ignore = "started by other tests, in a process of its own"]
fn holds_a_cluster_until_it_is_killed() {
    let Some(data_dir) = env::var_os("LECTERN_TEST_HOLD") else {
        return;
    };
    let options = ClusterOptions {
        data_dir: data_dir.into(),
        durable: false,
        ephemeral: env::var_os("LECTERN_TEST_EPHEMERAL").is_some(),
    };
    let cluster = Cluster::start(&options, &mut |_| {}).unwrap();
    // A child that outlives us; it must not hold what the server's life hangs on.
    let bystander = Command::new("sleep")
        .arg("30")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    println!("BYSTANDER {}", bystander.unwrap().id());
    println!("URL {}", cluster.url("postgres"));
    // Ends when the test does, should it not kill us.
    io::stdin().lines().for_each(drop);
}

/// That process, seen from the test.
struct Holder {
    process: Child,
    bystander: u32,
    url: String,
}

impl Holder {
    fn start(scratch: &Scratch, ephemeral: bool) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "holds_a_cluster_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env("LECTERN_TEST_HOLD", &scratch.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if ephemeral {
            command.env("LECTERN_TEST_EPHEMERAL", "yes");
        }
        let mut process = command.spawn().unwrap();
        let mut lines = io::BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = |what: &str| {
            lines
                .find_map(|line| Some(line.unwrap().split_once(what)?.1.to_owned()))
                .expect("the cluster starts")
        };
        Self {
            bystander: said("BYSTANDER ").parse().unwrap(),
            url: said("URL "),
            process,
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        signal("KILL", self.bystander);
    }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -s {name} {pid}")])
        .status();
    assert!(sent.unwrap().success());
}

fn postmaster(scratch: &Scratch) -> u32 {
    let file = fs::read_to_string(scratch.0.join("data/postmaster.pid")).unwrap();
    file.lines().next().unwrap().parse().unwrap()
}

#[test]
fn the_server_stops_when_its_owner_is_interrupted_terminated_or_killed() {
    let scratch = Scratch::new();
    for how in ["INT", "TERM", "KILL"] {
        let mut owner = Holder::start(&scratch, false);
        PgConnection::establish(&owner.url).unwrap();
        signal(how, owner.process.id());
        assert!(!owner.process.wait().unwrap().success());
        eventually(how, || !scratch.0.join("data/postmaster.pid").exists());
        assert!(PgConnection::establish(&owner.url).is_err());
        let log = fs::read_to_string(scratch.0.join("server.log")).unwrap();
        assert!(log.contains("database system is shut down"), "{how}: {log}");
    }
}

#[test]
fn a_server_whose_owner_is_dead_is_not_joined_while_it_still_answers() {
    let scratch = Scratch::new();
    let mut dead = Holder::start(&scratch, false);
    // Without the process that would stop it, what takes microseconds lasts until we say so.
    let server = postmaster(&scratch);
    signal("KILL", sibling(server));
    dead.process.kill().unwrap();
    dead.process.wait().unwrap();
    PgConnection::establish(&dead.url).unwrap();

    let mut heard = Vec::new();
    let cluster = Cluster::start(&scratch.options(false), &mut |said| {
        heard.push(said.to_owned());
        signal("INT", server);
    });
    let cluster = cluster.unwrap();
    assert!(cluster.is_owner());
    assert_ne!(postmaster(&scratch), server);
    assert_eq!(heard, ["Waiting for the Postgres that runs on this folder"]);
}

/// The other child of the process that started this one.
fn sibling(pid: u32) -> u32 {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let processes: Vec<(u32, u32)> = listed
        .lines()
        .map(|line| {
            let mut numbers = line
                .split_whitespace()
                .map(|number| number.parse().unwrap());
            (numbers.next().unwrap(), numbers.next().unwrap())
        })
        .collect();
    let parent = processes.iter().find(|(id, _)| *id == pid).unwrap().1;
    let sibling = processes
        .iter()
        .find(|(id, up)| *up == parent && *id != pid);
    sibling.unwrap().0
}

#[test]
fn an_ephemeral_cluster_is_removed_when_its_owner_is_killed() {
    let scratch = Scratch::new();
    let mut owner = Holder::start(&scratch, true);
    PgConnection::establish(&owner.url).unwrap();
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    eventually("the folder is gone", || !scratch.0.exists());
    assert!(PgConnection::establish(&owner.url).is_err());
}

#[test]
fn a_start_recovers_what_a_crashed_server_left() {
    let scratch = Scratch::new();
    let crashed = scratch.start();
    let sql = "CREATE TABLE kept AS SELECT 'still here' AS answer";
    let mut connection = connect(&crashed, "postgres");
    connection.batch_execute(sql).unwrap();
    connection.batch_execute("CHECKPOINT").unwrap();
    signal("KILL", postmaster(&scratch));
    crashed.stop().unwrap();
    assert!(scratch.0.join("data/postmaster.pid").exists());

    let again = scratch.start();
    assert!(again.is_owner());
    let mut connection = connect(&again, "postgres");
    assert_eq!(
        ask(&mut connection, "SELECT answer FROM kept"),
        "still here"
    );
}

#[test]
fn a_process_that_got_a_crashed_servers_number_is_not_taken_for_it() {
    let scratch = Scratch::new();
    scratch.start().stop().unwrap();
    let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let data = fs::canonicalize(scratch.0.join("data")).unwrap();
    // A listener that is not a Postgres has the crashed server's port.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (pid, shown) = (other.id(), data.display());
    let file = format!("{pid}\n{shown}\n1700000000\n{port}\n\n127.0.0.1\n\nready   \n");
    fs::write(data.join("postmaster.pid"), file).unwrap();

    let cluster = scratch.start();
    assert!(cluster.is_owner());
    connect(&cluster, "postgres");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn another_server_on_the_machine_is_left_alone() {
    let (one, two) = (Scratch::new(), Scratch::new());
    let first = one.start();
    let second = two.start();
    assert_ne!(first.url("postgres"), second.url("postgres"));
    second.stop().unwrap();
    connect(&first, "postgres");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let scratch = Scratch::new();
    scratch.start().stop().unwrap();
    let conf = scratch.0.join("data/postgresql.conf");
    fs::write(conf, "work_mem = 'plenty'\n").unwrap();
    let error = Cluster::start(&scratch.options(false), &mut |_| {}).unwrap_err();
    assert!(matches!(error, PostgresError::Start { .. }));
    assert!(error.to_string().contains("work_mem"), "{error}");
}

#[test]
fn without_any_postgres_one_message_tells_how_to_install_it() {
    let scratch = Scratch::new();
    let nowhere = Search::default();
    let error = Cluster::start_with(&nowhere, &scratch.options(false), &mut |_| {}).unwrap_err();
    let message = error.to_string();
    for command in [
        "sudo apt-get install -y postgresql",
        "sudo dnf install -y postgresql-server",
        "brew install postgresql@18",
        "docker run",
        "export DATABASE_URL=postgres://",
    ] {
        assert!(
            message.contains(command),
            "{command} is missing in: {message}"
        );
    }
}

#[test]
fn a_wrong_pg_bin_dir_is_an_error_and_not_passed_over() {
    let scratch = Scratch::new();
    let search = Search {
        bin_dir: Some("/nonexistent".into()),
        ..Search::from_env()
    };
    let error = Cluster::start_with(&search, &scratch.options(false), &mut |_| {}).unwrap_err();
    assert!(
        error.to_string().starts_with("PG_BIN_DIR is /nonexistent"),
        "{error}"
    );
}

#[test]
fn data_of_another_version_is_refused_before_the_server_sees_it() {
    let scratch = Scratch::new();
    scratch.start().stop().unwrap();
    fs::write(scratch.0.join("data/PG_VERSION"), "14\n").unwrap();
    let error = Cluster::start(&scratch.options(false), &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, PostgresError::OtherVersion { wanted: 14, .. }),
        "{error}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_gives_one_sentence() {
    let scratch = Scratch::new();
    fs::write(
        &scratch.0,
        "a file, which not even root can make a folder in",
    )
    .unwrap();
    let options = ClusterOptions {
        data_dir: scratch.0.join("postgres"),
        durable: false,
        ephemeral: false,
    };
    let message = Cluster::start(&options, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("cannot create "), "{message}");
    assert!(
        message.contains("start in a folder that you may write to"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1);
    fs::remove_file(&scratch.0).unwrap();
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_as_it_is() {
    let scratch = Scratch::new();
    fs::create_dir(&scratch.0).unwrap();
    fs::write(scratch.0.join("thesis.txt"), "years of work").unwrap();
    let error = Cluster::start(&scratch.options(true), &mut |_| {}).unwrap_err();
    assert!(matches!(error, PostgresError::NotOurs { .. }), "{error}");
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn cargo_run_keeps_its_data_in_the_folder_it_was_started_in() {
    let mut heard = Vec::new();
    let found = default_data_dir(Path::new("/"), &mut |said| heard.push(said.to_owned()));
    assert_eq!(found.unwrap(), Path::new("/.lectern/postgres"));
    assert!(heard.is_empty(), "{heard:?}");
}

#[test]
#[ignore = "downloads 13 MB; needs python3 with pip"]
fn a_machine_without_postgres_fetches_one() {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = Integer)]
        version: i32,
    }
    let (scratch, cache, links) = (Scratch::new(), Scratch::new(), Scratch::new());
    without_postgres(&links.0);
    let search = Search {
        cache: Some(cache.0.clone()),
        path: Some(links.0.clone().into()),
        ..Search::default()
    };
    let mut heard = Vec::new();
    let cluster = Cluster::start_with(&search, &scratch.options(true), &mut |said| {
        heard.push(said.to_owned());
    });
    let cluster = cluster.unwrap();
    let query = "SELECT current_setting('server_version_num')::int / 10000 AS version";
    let found: Version = sql_query(query)
        .get_result(&mut connect(&cluster, "postgres"))
        .unwrap();
    assert_eq!(found.version, 18);
    assert!(
        heard.iter().any(|said| said.contains("Fetching")),
        "{heard:?}"
    );
}

/// Fills a folder with links to every program of `PATH` but Postgres: this machine, had it none.
fn without_postgres(links: &Path) {
    fs::create_dir(links).unwrap();
    for dir in env::split_paths(&env::var_os("PATH").unwrap()) {
        for program in fs::read_dir(dir).into_iter().flatten() {
            let program = program.unwrap();
            let link = links.join(program.file_name());
            let unwanted = ["postgres", "pg_config"]
                .map(Into::into)
                .contains(&program.file_name());
            if !unwanted && !link.exists() {
                std::os::unix::fs::symlink(program.path(), link).unwrap();
            }
        }
    }
}
