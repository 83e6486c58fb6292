//! HTTPS by the server itself: a certificate chain and its key, both PEM files.

use anyhow::Context;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsConfig;

/// Reads the configured files.
///
/// # Errors
/// Names the file that cannot be used.
pub fn server_config(config: &TlsConfig) -> anyhow::Result<ServerConfig> {
    let certificate = || {
        format!(
            "TLS_CERT_FILE {} holds no certificates in PEM",
            config.cert_file.display()
        )
    };
    let key = || {
        format!(
            "TLS_KEY_FILE {} holds no private key in PEM",
            config.key_file.display()
        )
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&config.cert_file)
        .and_then(Iterator::collect)
        .with_context(certificate)?;
    anyhow::ensure!(!chain.is_empty(), certificate());
    let key = PrivateKeyDer::from_pem_file(&config.key_file).with_context(key)?;
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("TLS_KEY_FILE does not belong to TLS_CERT_FILE")
}
