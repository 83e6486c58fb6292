//! Requests at a given rate, whether the store keeps up or not. Each is timed from the moment when it was due: a store
//! that stands still for a second makes a thousand of them late, not one.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::workload::Request;

/// How an answer came.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// When it was due, from the beginning on.
    pub due: Duration,
    /// From then until it was there.
    pub took: Duration,
    /// The last part of it: from when a connection was free to send it on.
    pub answered_in: Duration,
    /// 0 when the connection broke.
    pub status: u16,
}

impl Answer {
    pub const fn is_good(&self) -> bool {
        matches!(self.status, 200..400)
    }

    /// Said to be too much, in a way that a client understands.
    pub const fn is_refusal(&self) -> bool {
        matches!(self.status, 429 | 503)
    }
}

/// What is offered to a store.
pub struct Offer {
    /// `host:port`.
    pub address: String,
    /// One after the other, and from the first again.
    pub requests: Vec<Vec<u8>>,
    /// So many a second; as many as are answered otherwise.
    pub rate: Option<f64>,
    pub connections: u32,
    pub lasts: Duration,
}

/// A request as it goes over the wire.
///
/// # Errors
/// When it cannot be written.
pub fn wire(request: &Request) -> anyhow::Result<Vec<u8>> {
    let Request {
        method,
        path,
        headers,
        body,
    } = request;
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n")?;
    }
    write!(text, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    Ok(text.into_bytes())
}

/// Offers it, and returns every answer.
///
/// # Errors
/// When there is nothing to ask.
pub async fn make(offer: Offer) -> anyhow::Result<Vec<Answer>> {
    let (offer, next) = (Arc::new(offer), Arc::new(AtomicU32::new(0)));
    let begun = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..offer.connections {
        connections.spawn(ask(Arc::clone(&offer), Arc::clone(&next), begun));
    }
    let mut answers = Vec::new();
    while let Some(of_one) = connections.join_next().await {
        answers.extend(of_one??);
    }
    answers.sort_by_key(|answer| answer.due);
    Ok(answers)
}

/// Takes whatever is due next, until it is over.
async fn ask(
    offer: Arc<Offer>,
    next: Arc<AtomicU32>,
    begun: Instant,
) -> anyhow::Result<Vec<Answer>> {
    let mut connection = None;
    let mut answers = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = match offer.rate {
            Some(rate) => begun + Duration::from_secs_f64(f64::from(number) / rate),
            None => Instant::now(),
        };
        if due - begun >= offer.lasts {
            return Ok(answers);
        }
        sleep_until(due).await;
        let sent = Instant::now();
        let place = number as usize % offer.requests.len().max(1);
        let request = offer.requests.get(place).context("there are no requests")?;
        let status = match exchange(&mut connection, &offer.address, request).await {
            Ok(status) => status,
            Err(_) => {
                connection = None;
                0
            }
        };
        answers.push(Answer {
            due: due - begun,
            took: due.elapsed(),
            answered_in: sent.elapsed(),
            status,
        });
    }
}

/// Sends a request on the connection, opened if there is none, and reads the answer to its end.
async fn exchange(
    connection: &mut Option<TcpStream>,
    address: &str,
    request: &[u8],
) -> anyhow::Result<u16> {
    let stream = match connection {
        Some(stream) => stream,
        None => connection.insert(TcpStream::connect(address).await?),
    };
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    let mut read = Vec::with_capacity(16 * 1024);
    loop {
        let more = stream.read_buf(&mut read).await?;
        anyhow::ensure!(more > 0, "the connection was closed");
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(read.get(..end).unwrap_or_default())?.to_ascii_lowercase();
        let status = head.get(9..12).context("no status")?.parse()?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(Ok(0), str::parse)?;
        let mut left = (end + 4 + length).saturating_sub(read.len());
        while left > 0 {
            read.clear();
            let more = stream.read_buf(&mut read).await?;
            anyhow::ensure!(more > 0, "the connection was closed");
            left = left.saturating_sub(more);
        }
        if head.lines().any(|line| line == "connection: close") {
            *connection = None;
        }
        return Ok(status);
    }
}
