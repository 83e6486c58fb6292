//! A PgBouncer of its own for a test, in transaction mode.

use std::process::Command;

use url::Url;

use super::service::{Service, free_port};
use crate::laws::read;

/// A running `pgbouncer`.
pub struct PgBouncer {
    /// Where the database is, through it.
    pub url: String,
    settings: String,
    port: u16,
    service: Service,
}

impl PgBouncer {
    /// In front of a database as docs/scaling.md says, but with so few server connections that clients have to share
    /// them.
    pub fn start(database_url: &str) -> Self {
        let database = Url::parse(database_url).unwrap();
        let port = free_port();
        let guide = read("docs/scaling.md");
        let (_, documented) = guide.split_once("```ini\n").unwrap();
        let (documented, _) = documented.split_once("```").unwrap();
        let settings = format!(
            "[databases]
* = host={host} port={server} user={user} password={password}
{documented}
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
default_pool_size = 4
",
            host = database.host_str().unwrap(),
            server = database.port().unwrap_or(5432),
            user = database.username(),
            password = database.password().unwrap_or_default(),
        );
        Self {
            url: format!(
                "postgres://lectern@127.0.0.1:{port}{}?sslmode=disable",
                database.path()
            ),
            service: run(&settings, port),
            settings,
            port,
        }
    }

    /// Ends it, and every connection through it.
    pub fn kill(&mut self) {
        self.service.kill();
    }

    /// Starts it again after [`Self::kill`], where it was.
    pub fn restart(&mut self) {
        self.service = run(&self.settings, self.port);
    }
}

fn run(settings: &str, port: u16) -> Service {
    let mut command = Command::new("pgbouncer");
    // It refuses to stay root, and goes on as this user once it has read its settings.
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if root {
        command.args(["-u", "postgres"]);
    }
    command.arg("-q");
    Service::start_with(command, settings, port)
}
