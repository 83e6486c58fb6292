//! One address in front of a pair of servers, as Patroni's users have it: HAProxy, which asks an agent beside each
//! server over HTTP whether that one is the primary.

use std::net::TcpListener;
use std::process::Command;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::replication::url_at;
use super::service::{Service, free_port};

/// A running `haproxy` and its agents.
pub struct HaProxy {
    pub port: u16,
    service: Service,
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
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f"]);
        let service = Service::start_with(command, &text, port);
        Self {
            port,
            service,
            agents: agents.map(|(_, agent)| agent).into(),
        }
    }

    pub async fn stop(mut self) {
        self.service.kill();
        for agent in &self.agents {
            agent.stop(false).await;
        }
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

/// Whether the server at this port takes writes.
pub fn is_primary(server: u16) -> bool {
    let Ok(mut conn) = PgConnection::establish(&url_at(server)) else {
        return false;
    };
    diesel::select(sql::<Bool>("NOT pg_is_in_recovery()"))
        .get_result(&mut conn)
        .unwrap_or(false)
}
