//! Two Postgres servers of a test's own: a primary, and a standby that streams from it.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use lectern::db;
use lectern::dev::postgres::Binaries;
use uuid::Uuid;

use super::service::free_port;

/// The database on both.
const DATABASE: &str = "postgres";

/// A primary and its standby. Both end, and their folder goes, with this value.
pub struct Pair {
    pub primary: Node,
    pub standby: Node,
    folder: PathBuf,
}

/// One server.
pub struct Node {
    pub port: u16,
    command: Command,
    process: Child,
}

impl Pair {
    /// The store's tables are there already. With `synchronous`, no commit is acknowledged before the standby has it.
    pub fn start(synchronous: bool) -> Self {
        let programs = Binaries::find(&mut |line| eprintln!("{line}")).unwrap();
        let folder = std::env::temp_dir().join(format!("lectern-pair-{}", Uuid::new_v4().simple()));
        fs::create_dir(&folder).unwrap();
        if let Some((user, group)) = account() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let (one, two) = (folder.join("one"), folder.join("two"));
        let run = |program: &Path, arguments: &[&str]| {
            let output = as_account(program).args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        let (one_text, two_text) = (one.to_str().unwrap(), two.to_str().unwrap());
        let initdb = ["-D", one_text, "-U", "postgres", "-A", "trust", "--no-sync"];
        run(&programs.dir().join("initdb"), &initdb);
        // A copy that has not begun to differ yet is the standby's start.
        run(Path::new("cp"), &["-a", one_text, two_text]);
        run(Path::new("touch"), &[&format!("{two_text}/standby.signal")]);
        let names = if synchronous { "standby" } else { "" };
        let primary = Node::start(
            programs.dir(),
            &one,
            &format!("synchronous_standby_names={names}"),
        );
        let from = format!(
            "primary_conninfo=host=127.0.0.1 port={} user=postgres application_name=standby",
            primary.port
        );
        let standby = Node::start(programs.dir(), &two, &from);
        db::migrate_up(&mut primary.connect()).unwrap();
        Self {
            primary,
            standby,
            folder,
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.primary.end();
        self.standby.end();
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

impl Node {
    fn start(programs: &Path, data: &Path, setting: &str) -> Self {
        let port = free_port();
        let mut command = as_account(&programs.join("postgres"));
        command.arg("-D").arg(data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=100",
            "shared_buffers=32MB",
            // The machine does not fail here, only its processes.
            "fsync=off",
            setting,
        ] {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(data.with_extension("log")).unwrap();
        let process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut node = Self {
            port,
            command,
            process,
        };
        node.wait();
        node
    }

    /// Waits until it answers. After a crash it may give up at first, because what is left of it is still ending.
    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while PgConnection::establish(&self.url()).is_err() {
            assert!(Instant::now() < deadline, "a Postgres does not start");
            if self.process.try_wait().unwrap().is_some() {
                self.process = self.command.spawn().unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again after [`Self::kill`], where it was.
    pub fn restart(&mut self) {
        self.process = self.command.spawn().unwrap();
        self.wait();
    }

    pub fn url(&self) -> String {
        url_at(self.port)
    }

    pub fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url()).expect("the server answers")
    }

    pub fn sql(&self, statements: &str) {
        self.connect().batch_execute(statements).unwrap();
    }

    /// SIGKILL: nothing is written any more, nothing is said to anybody.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn end(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            // Immediate: its clients are cut off, and the data goes with it.
            let id = self.process.id().to_string();
            let _ = Command::new("kill").args(["-QUIT", &id]).status();
            let _ = self.process.wait();
        }
    }
}

/// The database of a [`Pair`] at some port of this machine.
pub fn url_at(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{DATABASE}?sslmode=disable")
}

/// Postgres refuses root: who runs it then.
fn account() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> u32 {
        let output = Command::new("id").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse().unwrap()
    };
    let known = Command::new("id").arg("postgres").output().unwrap();
    let name = if known.status.success() {
        "postgres"
    } else {
        "nobody"
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", name]), id(&["-g", name])))
}

fn as_account(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}
