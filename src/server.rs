//! Binding, serving, and the ordered end.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::Server;
use anyhow::Context;
use tokio::sync::watch;

use crate::app::{AppState, Extra, app};
use crate::jobs::worker;

/// How long requests in flight may take to finish after the server was told to stop, in seconds.
const SHUTDOWN_TIMEOUT: u64 = 30;
/// How long a client may take to send its request's head.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes the configured address.
///
/// # Errors
/// One sentence that says what to do about it.
pub fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{address} is taken by another program; stop that one, or choose another address with BIND_ADDR (or --port, in development)"
        ),
        _ => anyhow::anyhow!("{address} cannot be listened on ({error}); choose another address with BIND_ADDR"),
    })
}

/// A server on a bound listener. It runs when it is awaited. `extra` mounts what development adds.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(listener: TcpListener, state: AppState, extra: Extra) -> anyhow::Result<Server> {
    let tls = state
        .config
        .tls
        .as_ref()
        .map(crate::tls::server_config)
        .transpose()?;
    let server = HttpServer::new(move || app(state.clone(), &extra))
        .client_request_timeout(REQUEST_HEAD_TIMEOUT)
        .shutdown_timeout(SHUTDOWN_TIMEOUT);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}

/// Serves requests and works on jobs until the process is told to stop (SIGINT, SIGTERM).
///
/// # Errors
/// When the server cannot start or breaks.
pub async fn run(
    listener: TcpListener,
    state: AppState,
    with_jobs: bool,
    extra: Extra,
) -> anyhow::Result<()> {
    // Built first: when that fails, no worker has begun anything.
    let server = serve(listener, state.clone(), extra)?;
    let (stop, stopped) = watch::channel(false);
    let worker = with_jobs.then(|| tokio::spawn(worker::run(state, stopped)));
    let served = server.await.context("the server broke");
    stop.send_replace(true);
    if let Some(worker) = worker {
        worker.await.context("the worker broke")?;
    }
    served
}

/// Works on jobs only, until the process is told to stop.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn run_jobs(state: AppState) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(worker::run(state, stopped));
    wait_for_signal().await?;
    stop.send_replace(true);
    worker.await.context("the worker broke")
}

/// Returns at the first SIGINT or SIGTERM.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn wait_for_signal() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result,
    }
}
