//! Binding, serving, and the ordered end.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use tokio::sync::watch;

use crate::app::{AppState, Extra, app};
use crate::db::Follower;
use crate::handlers::metrics;
use crate::jobs::worker;
use crate::listener::Listener;

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

/// Serves the metrics on the listener of `METRICS_ADDR`, if there is one.
///
/// # Errors
/// When the address cannot be listened on.
fn serve_metrics(state: &AppState) -> anyhow::Result<Option<Server>> {
    let Some(address) = state.config.metrics_addr else {
        return Ok(None);
    };
    let listener = TcpListener::bind(address)
        .with_context(|| format!("METRICS_ADDR: {address} cannot be listened on"))?;
    let state = web::Data::new(state.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .route("/metrics", web::get().to(metrics::show_to_all))
    });
    let server = server.workers(1).disable_signals().listen(listener)?;
    Ok(Some(server.run()))
}

/// What every program that goes on for longer has beside its work: ears for the other instances, and metrics.
struct Company {
    metrics: Option<ServerHandle>,
    _listener: Listener,
    _follower: Option<Follower>,
}

impl Company {
    fn start(state: &AppState) -> anyhow::Result<Self> {
        let server = serve_metrics(state)?;
        let metrics = server.as_ref().map(Server::handle);
        server.map(tokio::spawn);
        let listener = state.listen().context("the listener cannot start")?;
        Ok(Self {
            metrics,
            _listener: listener,
            _follower: state
                .follow_replica()
                .context("the replica cannot be followed")?,
        })
    }

    /// Metrics are served to the end.
    async fn end(self) {
        if let Some(metrics) = self.metrics {
            metrics.stop(false).await;
        }
    }
}

/// Serves requests and works on jobs until the process is told to stop (SIGINT, SIGTERM). The worker takes no more work
/// from then on and finishes what it has, while requests in flight finish too.
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
    let company = Company::start(&state)?;
    let (stop, stopped) = watch::channel(false);
    let worker = with_jobs.then(|| tokio::spawn(worker::run(state, stopped)));
    let stop_early = stop.clone();
    tokio::spawn(async move {
        if wait_for_signal().await.is_ok() {
            stop_early.send_replace(true);
        }
    });
    let served = server.await.context("the server broke");
    stop.send_replace(true);
    if let Some(worker) = worker {
        worker.await.context("the worker broke")?;
    }
    company.end().await;
    served
}

/// Works on jobs only, until the process is told to stop.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn run_jobs(state: AppState) -> anyhow::Result<()> {
    let company = Company::start(&state)?;
    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(worker::run(state, stopped));
    wait_for_signal().await?;
    stop.send_replace(true);
    worker.await.context("the worker broke")?;
    company.end().await;
    Ok(())
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
