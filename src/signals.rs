//! What the operator's signals ask for: an end in order, an end at once, another certificate.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::tls::Certificate;

/// SIGINT and SIGTERM. While this is listened to, they end nothing by themselves.
pub struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    /// # Errors
    /// When signals cannot be listened to.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Returns when the next one comes.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Reads the certificate again at every SIGHUP. One that cannot be used changes nothing.
///
/// # Errors
/// When signals cannot be listened to.
pub fn reload_at_hangup(certificate: Arc<Certificate>) -> io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match certificate.reload() {
                Ok(()) => tracing::info!("new connections are shown the new certificate"),
                Err(error) => tracing::error!(%error, "the old certificate stays"),
            }
        }
    });
    Ok(())
}
