//! What a container's health check asks: whether the instance beside it is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;

use crate::config::Listening;

/// How long the instance may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Asks `/readyz` of the instance on this machine.
///
/// # Errors
/// When it does not answer, or says that it is not ready.
pub async fn ask(listening: &Listening) -> anyhow::Result<()> {
    let scheme = if listening.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let url = format!("{scheme}://{}/readyz", this_machine(listening.address));
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_WAIT)
        // The certificate is for the public name. This is another one, and nothing secret is sent.
        .danger_accept_invalid_certs(true)
        .build()?;
    let answer = client.get(&url).send().await;
    let answer = answer.with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    anyhow::ensure!(
        status.is_success(),
        "not ready ({status}): {}",
        answer.text().await?
    );
    Ok(())
}

/// Where an address that is listened on is reached from the same machine.
fn this_machine(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
