//! One running server process: started under a shell that outlives us just long enough to stop it.

use std::{
    io::{self, PipeWriter},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    PostgresError,
    account::command,
    binaries::Binaries,
    folder::{Folder, private},
};

/// How long a poll waits before it looks again.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// A fast shutdown takes milliseconds; a full disk or a stuck network drive may take long.
const STOP_SECONDS: u64 = 30;

/// Runs the server and stops it when standard input ends, which the kernel sees to however our process ends: the only
/// other end of that pipe is ours. The server's own end stops the shell. `$1` is the signal, the rest the server.
/// The shell's process group is its own, so that a terminal's Ctrl-C reaches us first and not the server; and what is
/// sent to everything at once (as a service manager does) leaves it at its work. Postgres sets signal handlers itself.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
exec 3<&0 </dev/null
signal=$1
shift
"$@" 3<&- >&2 &
server=$!
{ read -r _ <&3; kill -s "$signal" "$server"; } 2>/dev/null >&2 &
watch=$!
wait "$server"
code=$?
kill -s KILL "$watch" 2>/dev/null
exit "$code"
"#;

/// Waits for the end of standard input, then removes the files named and the folder `$1`, if nothing else is in it.
const CLEANER: &str = r#"
read -r _
folder=$1
shift
rm -rf -- "$@"
rmdir -- "$folder"
"#;

/// A server and the pipe that keeps it running. Dropping it stops the server.
#[derive(Debug)]
pub(super) struct Server {
    keep: Option<ChildStdin>,
    supervisor: Child,
    log: PathBuf,
}

impl Server {
    /// Starts the server on `port` of the loopback interface; it is not ready yet.
    ///
    /// No Unix socket: its path may have 107 bytes at most, which a checkout's folder easily exceeds, it needs a place
    /// and rules of its own, and the password works over loopback as well.
    pub fn spawn(
        binaries: &Binaries,
        folder: &Folder,
        port: u16,
        durable: bool,
        cleaner: Option<&Cleaner>,
    ) -> Result<Self, PostgresError> {
        let log = private(&folder.log()).map_err(PostgresError::folder("write", folder.log()))?;
        let mut shell = command("/bin/sh", folder.account.as_ref(), folder.root());
        shell
            .args(["-c", SUPERVISOR, "lectern-postgres"])
            // Fast: clients are cut off and everything is written. Immediate: nobody will read this data again.
            .arg(if cleaner.is_some() { "QUIT" } else { "INT" })
            .arg(binaries.program("postgres"))
            .arg("-D")
            .arg(folder.data())
            .args(settings(port, durable))
            .process_group(0)
            .stdin(Stdio::piped())
            .stderr(log)
            .stdout(match cleaner {
                Some(cleaner) => cleaner.until_closed()?,
                None => Stdio::null(),
            });
        let mut supervisor = shell.spawn().map_err(PostgresError::run("/bin/sh"))?;
        let keep = supervisor.stdin.take();
        Ok(Self {
            keep,
            supervisor,
            log: folder.log(),
        })
    }

    /// Whether the server has ended by itself.
    pub fn ended(&mut self) -> bool {
        !matches!(self.supervisor.try_wait(), Ok(None))
    }

    /// Stops the server and waits until it has ended.
    pub fn stop(mut self) -> Result<(), PostgresError> {
        self.keep = None;
        wait(&mut self.supervisor, &self.log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.keep.take().is_some()
            && let Err(error) = wait(&mut self.supervisor, &self.log)
        {
            tracing::warn!(%error, "left a Postgres running");
        }
    }
}

/// Removes an ephemeral cluster's files as the user that created them, when every process that holds the pipe's other
/// end is gone: ours and the supervisor's. (The supervisor itself runs as the server's user, who may not.)
#[derive(Debug)]
pub(super) struct Cleaner {
    held: Option<PipeWriter>,
    shell: Child,
    folder: PathBuf,
}

impl Cleaner {
    pub fn spawn(folder: &Folder) -> Result<Self, PostgresError> {
        let (reader, held) = io::pipe().map_err(PostgresError::run("/bin/sh"))?;
        let shell = Command::new("/bin/sh")
            .args(["-c", CLEANER, "lectern-cleaner"])
            .arg(folder.root())
            .args(folder.contents())
            .current_dir("/")
            .process_group(0)
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(PostgresError::run("/bin/sh"))?;
        Ok(Self {
            held: Some(held),
            shell,
            folder: folder.root().to_owned(),
        })
    }

    /// A handle for a child process: as long as it runs, nothing is removed.
    pub fn until_closed(&self) -> Result<Stdio, PostgresError> {
        let copy = self.held.as_ref().map(PipeWriter::try_clone).transpose();
        let copy = copy.map_err(PostgresError::run("/bin/sh"))?;
        Ok(copy.map_or_else(Stdio::null, Stdio::from))
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        self.held = None;
        if let Err(error) = wait(&mut self.shell, &self.folder) {
            tracing::warn!(%error, "left an ephemeral Postgres folder behind");
        }
    }
}

fn wait(child: &mut Child, log: &Path) -> Result<(), PostgresError> {
    let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS);
    while let Ok(None) = child.try_wait() {
        if Instant::now() > deadline {
            return Err(PostgresError::Stop {
                seconds: STOP_SECONDS,
                log: log.to_owned(),
            });
        }
        thread::sleep(TICK);
    }
    Ok(())
}

fn settings(port: u16, durable: bool) -> Vec<String> {
    let mut settings = vec![
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        // Many tests at once, each with a pool of its own.
        "max_connections=300".to_owned(),
        "shared_buffers=64MB".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    if !durable {
        settings.extend(
            ["fsync", "synchronous_commit", "full_page_writes"].map(|name| format!("{name}=off")),
        );
    }
    settings
        .into_iter()
        .flat_map(|setting| ["-c".to_owned(), setting])
        .collect()
}

/// A port that nobody listens on now. Somebody may take it before the server does; then the start is tried again.
pub(super) fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
