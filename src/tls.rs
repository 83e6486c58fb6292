//! HTTPS by the server itself: a certificate chain and its key, both PEM files, read again when the operator says so.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::config::TlsConfig;

/// Which of the configured files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("TLS_CERT_FILE {} holds no certificates in PEM", .0.display())]
    Certificates(PathBuf),
    #[error("TLS_KEY_FILE {} holds no private key in PEM", .0.display())]
    Key(PathBuf),
    #[error("TLS_KEY_FILE does not belong to TLS_CERT_FILE: {0}")]
    Mismatch(#[from] rustls::Error),
}

/// What new connections are shown. Those that are open keep what they were shown.
#[derive(Debug)]
pub struct Certificate {
    files: TlsConfig,
    current: watch::Sender<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the configured files.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub fn load(files: &TlsConfig) -> Result<Self, TlsError> {
        Ok(Self {
            current: watch::Sender::new(Arc::new(read(files)?)),
            files: files.clone(),
        })
    }

    /// Reads the files again.
    ///
    /// # Errors
    /// Names the file that cannot be used; the certificate stays what it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.send_replace(Arc::new(read(&self.files)?));
        Ok(())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.borrow()))
    }
}

/// How the server speaks TLS.
pub fn server_config(certificate: Arc<Certificate>) -> ServerConfig {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn read(files: &TlsConfig) -> Result<CertifiedKey, TlsError> {
    let chain: Option<Vec<_>> = CertificateDer::pem_file_iter(&files.cert_file)
        .and_then(Iterator::collect)
        .ok();
    let chain = chain.filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::Certificates(files.cert_file.clone()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|_| TlsError::Key(files.key_file.clone()))?;
    Ok(CertifiedKey::from_der(
        chain,
        key,
        &aws_lc_rs::default_provider(),
    )?)
}
