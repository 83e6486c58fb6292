//! One Postgres for the whole run, one template database with the migrations, one clone of it for each test.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use lectern::db;
use lectern::dev::postgres::{Cluster, ClusterOptions, ephemeral_data_dir};
use uuid::Uuid;

/// A server: that of `DATABASE_URL`, or an embedded one that ends with this value or this process.
struct Server {
    /// Up to and without the database's name.
    base: String,
    /// Behind the database's name.
    query: String,
    _cluster: Option<Cluster>,
}

impl Server {
    /// An embedded one. What is not durable is gone when it crashes.
    fn start(durable: bool) -> Self {
        let options = ClusterOptions {
            data_dir: ephemeral_data_dir().unwrap(),
            durable,
            ephemeral: true,
        };
        let cluster = Cluster::start(&options, &mut |line| eprintln!("{line}")).unwrap();
        let mut server = Self::at(&cluster.url("postgres"));
        server._cluster = Some(cluster);
        server
    }

    /// The one that this URL leads to.
    fn at(url: &str) -> Self {
        let (address, query) = url
            .split_once('?')
            .map_or((url, String::new()), |(address, query)| {
                (address, format!("?{query}"))
            });
        let (base, _) = address
            .rsplit_once('/')
            .expect("a database URL names a database");
        Self {
            base: base.to_owned(),
            query,
            _cluster: None,
        }
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}{}", self.base, self.query)
    }

    fn connect(&self, database: &str) -> PgConnection {
        PgConnection::establish(&self.url(database)).expect("the test server answers")
    }
}

/// The server of the run.
fn server() -> &'static Arc<Server> {
    static SERVER: OnceLock<Arc<Server>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let given = std::env::var("DATABASE_URL")
            .ok()
            .filter(|url| !url.is_empty());
        Arc::new(given.map_or_else(|| Server::start(false), |url| Server::at(&url)))
    })
}

/// The migrated database that tests are cloned from; made once for each state of `migrations/`.
fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let server = server();
        let name = format!("lectern_template_{:016x}", migrations_hash());
        let mut admin = server.connect("postgres");
        admin
            .batch_execute("SELECT pg_advisory_lock(6013)")
            .unwrap();
        let exists = diesel::sql_query(format!("SELECT FROM pg_database WHERE datname = '{name}'"));
        if exists.execute(&mut admin).unwrap() == 0 {
            let draft = format!("lectern_draft_{}", Uuid::new_v4().simple());
            admin
                .batch_execute(&format!("CREATE DATABASE {draft}"))
                .unwrap();
            db::migrate_up(&mut server.connect(&draft)).unwrap();
            admin
                .batch_execute(&format!("ALTER DATABASE {draft} RENAME TO {name}"))
                .unwrap();
        }
        admin
            .batch_execute("SELECT pg_advisory_unlock(6013)")
            .unwrap();
        name
    })
}

fn migrations_hash() -> u64 {
    let mut hasher = DefaultHasher::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut folders: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for folder in folders {
        folder.file_name().hash(&mut hasher);
        fs::read(folder.join("up.sql")).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}

/// A database of its own for one test, removed when it is dropped, unless somebody else has made it.
pub struct Database {
    server: Arc<Server>,
    name: String,
    is_ours: bool,
}

impl Database {
    /// A clone of the template.
    pub fn create() -> Self {
        Self::make(
            server(),
            &format!("TEMPLATE {} STRATEGY FILE_COPY", template()),
        )
    }

    /// An empty one, without the migrations.
    pub fn create_empty() -> Self {
        Self::make(server(), "")
    }

    /// One on a durable server of its own, which may crash without harm to anybody else.
    pub fn create_alone() -> Self {
        let database = Self::make(&Arc::new(Server::start(true)), "");
        db::migrate_up(&mut database.connect()).unwrap();
        database
    }

    fn make(server: &Arc<Server>, like: &str) -> Self {
        let name = format!("lectern_test_{}", Uuid::new_v4().simple());
        server
            .connect("postgres")
            .batch_execute(&format!("CREATE DATABASE {name} {like}"))
            .unwrap();
        Self {
            server: Arc::clone(server),
            name,
            is_ours: true,
        }
    }

    /// One that is there already.
    pub fn at(url: &str) -> Self {
        let (address, _) = url.split_once('?').unwrap_or((url, ""));
        let (_, name) = address.rsplit_once('/').unwrap();
        Self {
            server: Arc::new(Server::at(url)),
            name: name.to_owned(),
            is_ours: false,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Ends every connection and allows no new one, as if the server were down; or takes that back.
    pub fn set_reachable(&self, reachable: bool) {
        let name = &self.name;
        let mut admin = self.server.connect("postgres");
        admin
            .batch_execute(&format!(
                "ALTER DATABASE {name} ALLOW_CONNECTIONS {reachable}"
            ))
            .unwrap();
        if !reachable {
            let cut = format!(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
            );
            admin.batch_execute(&cut).unwrap();
        }
    }

    /// Crashes the server, which has to be this database's own: one of its processes dies by SIGKILL, all the others are
    /// ended, what was committed comes back from the log, and it opens again by itself.
    pub fn crash_server(&self) {
        #[derive(QueryableByName)]
        struct Backend {
            #[diesel(sql_type = Integer)]
            pid: i32,
        }
        let mut conn = self.connect();
        let backend: Backend = diesel::sql_query("SELECT pg_backend_pid() AS pid")
            .get_result(&mut conn)
            .unwrap();
        let kill = Command::new("kill")
            .args(["-KILL", &backend.pid.to_string()])
            .status();
        assert!(kill.unwrap().success());
    }

    /// A connection beside the application's.
    pub fn connect(&self) -> PgConnection {
        self.server.connect(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if self.is_ours
            && let Err(error) = self.server.connect("postgres").batch_execute(&drop)
        {
            eprintln!("a test's database stays behind: {error}");
        }
    }
}
