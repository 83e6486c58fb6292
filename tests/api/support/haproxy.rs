//! One address in front of a pair of servers, as Patroni's users have it: HAProxy, which asks an agent beside each
//! server over HTTP whether that one is the primary.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use uuid::Uuid;

use super::replication::url_at;

/// A running `haproxy` and its agents.
pub struct HaProxy {
    pub port: u16,
    settings: PathBuf,
    process: Child,
    agents: Vec<ServerHandle>,
}

impl HaProxy {
    /// In front of the servers at these ports.
    pub fn start(servers: [u16; 2]) -> Self {
        let port = free_port();
        let agents = servers.map(agent);
        let [(one, _), (two, _)] = &agents;
        let text = format!(
            "defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
    timeout check 1s
listen primary
    bind 127.0.0.1:{port}
    option httpchk GET /primary
    http-check expect status 200
    default-server inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
    server one 127.0.0.1:{} check port {one}
    server two 127.0.0.1:{} check port {two}
",
            servers[0], servers[1]
        );
        let settings =
            std::env::temp_dir().join(format!("lectern-{}.cfg", Uuid::new_v4().simple()));
        fs::write(&settings, text).unwrap();
        let process = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("haproxy is installed: apt-get install haproxy");
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "haproxy does not answer");
            std::thread::yield_now();
        }
        Self {
            port,
            settings,
            process,
            agents: agents.map(|(_, agent)| agent).into(),
        }
    }

    pub async fn stop(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        for agent in &self.agents {
            agent.stop(false).await;
        }
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.settings);
    }
}

/// What Patroni answers beside each of its servers: 200 on `/primary` by the one that takes writes.
fn agent(server: u16) -> (u16, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move || async move {
        match web::block(move || is_primary(server)).await {
            Ok(true) => HttpResponse::Ok(),
            _ => HttpResponse::ServiceUnavailable(),
        }
        .finish()
    };
    let agent = HttpServer::new(move || App::new().route("/primary", web::get().to(answer)))
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
    let handle = agent.handle();
    tokio::spawn(agent);
    (port, handle)
}

fn is_primary(server: u16) -> bool {
    let Ok(mut conn) = PgConnection::establish(&url_at(server)) else {
        return false;
    };
    diesel::select(sql::<Bool>("NOT pg_is_in_recovery()"))
        .get_result(&mut conn)
        .unwrap_or(false)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
