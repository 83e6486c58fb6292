//! HTTPS by the server itself.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Client;
use reqwest::tls::TlsInfo;
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::program::Program;

/// The two files of the configuration, which go with the test.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new() -> Self {
        let name = format!("tls-{}", Uuid::new_v4().simple());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir(&folder).unwrap();
        Self { folder }
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("fullchain.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("privkey.pem")
    }

    /// Puts a new certificate and its key there, and returns the certificate in DER.
    fn renew(&self) -> Vec<u8> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.certificate(), cert.pem()).unwrap();
        fs::write(self.key(), signing_key.serialize_pem()).unwrap();
        cert.der().to_vec()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Somebody who connects once, and tells which certificate they were shown.
fn visitor() -> Client {
    let client = Client::builder().no_proxy().tls_info(true);
    client
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap()
}

/// Asks whether the program is well, and returns the certificate of the connection that was used.
async fn shown(visitor: &Client, program: &Program) -> Vec<u8> {
    let address = format!("https://{}/healthz", program.address);
    let reply = visitor.get(address).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let hsts = &reply.headers()["strict-transport-security"];
    assert_eq!(hsts, "max-age=31536000");
    let info = reply.extensions().get::<TlsInfo>().unwrap();
    let certificate = info.peer_certificate().unwrap().to_vec();
    // Read to its end, so that the connection is kept for the next time.
    reply.text().await.unwrap();
    certificate
}

#[tokio::test]
async fn a_renewed_certificate_is_for_new_connections_while_open_ones_go_on() {
    let app = TestApp::start().await;
    let files = Files::new();
    let first = files.renew();
    let (certificate, key) = (files.certificate(), files.key());
    let variables = [
        ("TLS_CERT_FILE", certificate.to_str().unwrap()),
        ("TLS_KEY_FILE", key.to_str().unwrap()),
    ];
    let program = Program::start_with(&app, &["serve", "--no-jobs"], &variables);
    program.metrics().await;
    let old = visitor();
    assert_eq!(shown(&old, &program).await, first);

    let second = files.renew();
    program.signal("HUP");
    program
        .until_logged("new connections are shown the new certificate")
        .await;
    assert_eq!(shown(&visitor(), &program).await, second);
    assert_eq!(shown(&old, &program).await, first);

    // No certificate, and then a key that belongs to another one.
    fs::write(&certificate, "no certificate").unwrap();
    program.signal("HUP");
    program.until_logged("holds no certificates in PEM").await;
    assert_eq!(shown(&visitor(), &program).await, second);
    files.renew();
    let stray = fs::read(&key).unwrap();
    files.renew();
    fs::write(&key, stray).unwrap();
    program.signal("HUP");
    program
        .until_logged("does not belong to TLS_CERT_FILE")
        .await;
    assert_eq!(shown(&visitor(), &program).await, second);
    assert_eq!(shown(&old, &program).await, first);

    let log = program.stop().await;
    assert_eq!(log.matches("the old certificate stays").count(), 2, "{log}");
    app.finish().await;
}

#[tokio::test]
async fn without_tls_nobody_is_told_to_insist_on_it() {
    let app = TestApp::start().await;
    let reply = app.anon().get("/healthz").await;
    assert!(!reply.headers.contains_key("strict-transport-security"));
    app.finish().await;
}
