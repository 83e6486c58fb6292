//! Binding, serving, and the ordered end.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol};
use actix_server::GracefulShutdownSignal;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_web::dev::{AppConfig, Server, ServerHandle};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use crate::app::{AppState, Extra, app};
use crate::db::Follower;
use crate::handlers::metrics;
use crate::http::connection::Connection;
use crate::jobs::worker;
use crate::listener::Listener;
use crate::openapi::Served;
use crate::signals::{self, EndSignals};
use crate::tls::{self, Certificate};

/// How long requests and work in flight may take to finish once the program was told to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be idle. Longer than the minute that proxies keep theirs: it is they who have to end one,
/// or a request is sent into a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a client may take to send its request's head.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to end a connection whose request was not read to its end.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

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

/// What a server does with connections.
#[derive(Clone)]
pub struct Terms {
    /// How many threads answer; one for each core when it is not said.
    pub workers: Option<usize>,
    /// How long a connection may be idle.
    pub keep_alive: Duration,
    /// How long a client may take to send its request's head.
    pub request_head: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            workers: None,
            keep_alive: KEEP_ALIVE,
            request_head: REQUEST_HEAD_TIMEOUT,
        }
    }
}

/// A server on a bound listener. It runs when it is awaited. `extra` mounts what development adds.
///
/// # Errors
/// When the listener or the certificate cannot be used, or the API cannot be described.
pub fn serve(
    listener: TcpListener,
    state: AppState,
    extra: Extra,
    terms: Terms,
) -> anyhow::Result<Server> {
    let certificate = state.config.tls.as_ref().map(Certificate::load);
    let certificate = certificate.transpose()?.map(Arc::new);
    let mut server = Server::build()
        .shutdown_timeout(SHUTDOWN_TIMEOUT.as_secs())
        .disable_signals();
    if let Some(workers) = terms.workers {
        server = server.workers(workers);
    }
    let http = Http {
        address: listener.local_addr()?,
        document: web::Data::new(Served::new(&extra, &state.config.public_url)?),
        ending: server.graceful_shutdown_signal(),
        state,
        extra,
        terms,
    };
    let server = match certificate {
        Some(certificate) => {
            signals::reload_at_hangup(Arc::clone(&certificate))?;
            let tls = Acceptor::new(tls::server_config(certificate));
            server.listen("https", listener, move || {
                tls.clone()
                    .map_err(|_| ())
                    .map_init_err(|_| ())
                    .and_then(|stream: TlsStream<TcpStream>| {
                        ready(Ok(accepted(stream.get_ref().0.peer_addr(), stream)))
                    })
                    .and_then(http.service().map_err(|_| ()))
            })?
        }
        None => server.listen("http", listener, move || {
            fn_service(|stream: TcpStream| ready(Ok(accepted(stream.peer_addr(), stream))))
                .and_then(http.service())
        })?,
    };
    Ok(server.run())
}

/// A connection as actix wants it.
type Accepted = (Connection, Protocol, Option<SocketAddr>);

fn accepted(
    peer: io::Result<SocketAddr>,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Accepted {
    (Connection::new(stream), Protocol::Http1, peer.ok())
}

/// What each worker makes its service of. The service is that of `actix_web::HttpServer`, which has no place for [`Connection`].
#[derive(Clone)]
struct Http {
    state: AppState,
    document: web::Data<Served>,
    extra: Extra,
    terms: Terms,
    address: SocketAddr,
    ending: GracefulShutdownSignal,
}

impl Http {
    fn service(
        &self,
    ) -> impl ServiceFactory<
        Accepted,
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<> {
        let app = app(self.state.clone(), self.document.clone(), &self.extra)
            .into_factory()
            .map_err(|error| error.error_response());
        let ending = self.ending.clone();
        HttpService::build()
            .keep_alive(self.terms.keep_alive)
            .client_request_timeout(self.terms.request_head)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .local_addr(self.address)
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .on_connect_ext(|connection: &Connection, data| {
                data.insert(connection.gate());
            })
            .finish(map_config(app, |()| AppConfig::default()))
    }
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

/// Serves requests and works on jobs until the process is told to stop, and then ends in order.
///
/// # Errors
/// When the server cannot start or breaks, or has to end at once.
pub async fn run(
    listener: TcpListener,
    state: AppState,
    with_jobs: bool,
    extra: Extra,
) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen()?;
    // A connection is an open file, of which a process may have 1024 by default: a limit for programs of old.
    rlimit::increase_nofile_limit(u64::MAX).context("the limit of open files cannot be raised")?;
    // Built first: when that fails, no worker has begun anything.
    let server = serve(listener, state.clone(), extra, Terms::default())?;
    let company = Company::start(&state)?;
    let mut worker = with_jobs.then(|| start_worker(&state));
    let handle = server.handle();
    let mut server = tokio::spawn(server);
    tokio::select! {
        served = &mut server => served?.context("the server broke")?,
        error = broken(worker.as_mut()) => return Err(error),
        () = signals.next() => {}
    }
    let in_order = end(&state, Some(handle), worker, company);
    unless_again(signals, in_order).await
}

/// Works on jobs only, until the process is told to stop.
///
/// # Errors
/// When signals cannot be listened to, the worker breaks, or it has to end at once.
pub async fn run_jobs(state: AppState) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen()?;
    let company = Company::start(&state)?;
    let mut worker = start_worker(&state);
    tokio::select! {
        error = broken(Some(&mut worker)) => return Err(error),
        () = signals.next() => {}
    }
    let in_order = end(&state, None, Some(worker), company);
    unless_again(signals, in_order).await
}

fn start_worker(state: &AppState) -> JoinHandle<()> {
    tokio::spawn(worker::run(state.clone(), state.stopping.subscribe()))
}

/// Waits until the worker ends without having been told to: whoever starts the program again starts that too. For ever
/// where there is none.
async fn broken(worker: Option<&mut JoinHandle<()>>) -> anyhow::Error {
    let Some(worker) = worker else {
        return std::future::pending().await;
    };
    match worker.await {
        Ok(()) => anyhow::anyhow!("the worker ended by itself"),
        Err(error) => anyhow::Error::new(error).context("the worker broke"),
    }
}

/// The end in order. `/readyz` says no first, while the listener still accepts: a proxy finds out before anybody is
/// turned away. The worker takes no more work from then on, and finishes what it has while requests in flight do.
async fn end(
    state: &AppState,
    server: Option<ServerHandle>,
    worker: Option<JoinHandle<()>>,
    company: Company,
) -> anyhow::Result<()> {
    tracing::info!("told to end");
    state.stopping.send_replace(true);
    let serving = async {
        if let Some(server) = server {
            tokio::time::sleep(state.config.shutdown_delay).await;
            server.stop(true).await;
        }
    };
    let working = async {
        match worker {
            Some(worker) => tokio::time::timeout(SHUTDOWN_TIMEOUT, worker).await,
            None => Ok(Ok(())),
        }
    };
    let ((), worked) = tokio::join!(serving, working);
    match worked {
        Ok(worked) => worked.context("the worker broke")?,
        Err(_) => tracing::warn!("work in hand is left to the end of its lease"),
    }
    company.end().await;
    tracing::info!("ended");
    Ok(())
}

/// Ends in order, unless the program is told to end once more meanwhile.
async fn unless_again(
    mut signals: EndSignals,
    in_order: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = in_order => ended,
        () = signals.next() => {
            anyhow::bail!("told to end for the second time: what was in flight is cut off")
        }
    }
}
