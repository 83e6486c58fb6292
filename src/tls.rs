//! HTTPS by the server itself: a certificate chain and its key, both PEM files.

use std::path::PathBuf;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

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

/// Reads the configured files.
///
/// # Errors
/// Names the file that cannot be used.
pub fn server_config(config: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let chain: Option<Vec<_>> = CertificateDer::pem_file_iter(&config.cert_file)
        .and_then(Iterator::collect)
        .ok();
    let chain = chain.filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::Certificates(config.cert_file.clone()))?;
    let key = PrivateKeyDer::from_pem_file(&config.key_file)
        .map_err(|_| TlsError::Key(config.key_file.clone()))?;
    Ok(ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}
