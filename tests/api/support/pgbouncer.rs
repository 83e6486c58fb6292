//! A PgBouncer of its own for a test, in transaction mode.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use url::Url;
use uuid::Uuid;

/// A running `pgbouncer`.
pub struct PgBouncer {
    /// Where the database is, through it.
    pub url: String,
    settings: PathBuf,
    process: Child,
}

impl PgBouncer {
    /// In front of a database, with so few server connections that clients have to share them.
    pub fn start(database_url: &str) -> Self {
        let database = Url::parse(database_url).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings =
            std::env::temp_dir().join(format!("lectern-{}.ini", Uuid::new_v4().simple()));
        let text = format!(
            "[databases]
             * = host={host} port={server} user={user} password={password}
             [pgbouncer]
             listen_addr = 127.0.0.1
             listen_port = {port}
             unix_socket_dir =
             auth_type = any
             pool_mode = transaction
             default_pool_size = 4",
            host = database.host_str().unwrap(),
            server = database.port().unwrap_or(5432),
            user = database.username(),
            password = database.password().unwrap_or_default(),
        );
        let text: Vec<_> = text.lines().map(str::trim).collect();
        fs::write(&settings, text.join("\n")).unwrap();
        let mut command = Command::new("pgbouncer");
        // It refuses to stay root, and goes on as this user once it has read its settings.
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if root {
            command.args(["-u", "postgres"]);
        }
        let process = command
            .arg("-q")
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer is installed: apt-get install pgbouncer");
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "pgbouncer does not answer");
            std::thread::yield_now();
        }
        let name = database.path();
        Self {
            url: format!("postgres://lectern@127.0.0.1:{port}{name}?sslmode=disable"),
            settings,
            process,
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.settings);
    }
}
