//! A PgBouncer of its own for a test, in transaction mode.

use std::process::Command;

use url::Url;

use super::service::{Service, free_port};

/// A running `pgbouncer`.
pub struct PgBouncer {
    /// Where the database is, through it.
    pub url: String,
    _service: Service,
}

impl PgBouncer {
    /// In front of a database, with so few server connections that clients have to share them.
    pub fn start(database_url: &str) -> Self {
        let database = Url::parse(database_url).unwrap();
        let port = free_port();
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
        let mut command = Command::new("pgbouncer");
        // It refuses to stay root, and goes on as this user once it has read its settings.
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if root {
            command.args(["-u", "postgres"]);
        }
        command.arg("-q");
        let service = Service::start_with(command, &text.join("\n"), port);
        let name = database.path();
        Self {
            url: format!("postgres://lectern@127.0.0.1:{port}{name}?sslmode=disable"),
            _service: service,
        }
    }
}
