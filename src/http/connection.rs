//! What lies between a socket and actix's parser of HTTP/1, which reads ahead of whoever waits for a body, and answers by
//! itself, with nothing in it, what it cannot read.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use uuid::Uuid;

use super::request_id::X_REQUEST_ID;
use super::security;
use crate::problem::Problem;

/// About how many bytes are read before the parser has its turn, and other connections theirs.
const BURST: usize = 8 * 1024;
/// How long somebody who was refused has to hang up.
const LINGER: Duration = Duration::from_secs(1);

/// A socket, or TLS on one.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// One connection, as the parser sees it. The parser is compiled once, for whatever is below.
pub struct Connection {
    stream: Box<dyn Stream>,
    gate: Gate,
    /// How much of the burst is left.
    burst: usize,
    /// What is still to be written in place of an empty answer.
    explanation: Option<Bytes>,
    linger: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// One that has just been accepted.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            gate: Gate::default(),
            burst: BURST,
            explanation: None,
            linger: None,
        }
    }

    /// Stops and goes on with reading.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Reads what still comes for a moment: what is left unread makes the system reset the connection, and the client
    /// lose what it was told.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        while linger.as_mut().poll(cx).is_pending() {
            let mut rest = [0; 4096];
            let mut rest = ReadBuf::new(&mut rest);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut rest));
            if read.is_err() || rest.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.gate.is_closed_to(cx) {
            return Poll::Pending;
        }
        if this.burst == 0 {
            this.burst = BURST;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.burst = match read {
            Poll::Ready(_) => this.burst.saturating_sub(buffer.filled().len() - before),
            Poll::Pending => BURST,
        };
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let (answers, refusal) = buffer.split_at(unexplained(buffer).unwrap_or(buffer.len()));
        if !answers.is_empty() || refusal.is_empty() {
            return Pin::new(&mut this.stream).poll_write(cx, answers);
        }
        let explanation = this.explanation.get_or_insert_with(|| explained(refusal));
        while explanation.has_remaining() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(cx, explanation))?;
            if written == 0 {
                return Poll::Ready(Ok(0));
            }
            explanation.advance(written);
        }
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        ready!(this.poll_rest(cx));
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Where in a buffer of answers the parser's own error begins, which is the last one: it alone has no body, which is
/// said right after the status. No value of a header holds a line's end, so none can look like it.
fn unexplained(answers: &[u8]) -> Option<usize> {
    if !answers.ends_with(b"\r\n\r\n") {
        return None;
    }
    let start = answers.windows(7).rposition(|first| first == b"HTTP/1.")?;
    let head = std::str::from_utf8(answers.get(start..)?).ok()?;
    let (status, headers) = head.split_once("\r\n")?;
    let is_error = matches!(
        status.as_bytes(),
        [_, _, _, _, _, _, _, _, b' ', b'4' | b'5', ..]
    );
    (is_error && headers.starts_with("content-length: 0\r\n")).then_some(start)
}

/// The same answer as a problem document. The parser reads nothing more after it.
fn explained(head: &[u8]) -> Bytes {
    let head = String::from_utf8_lossy(head);
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let request_id = Uuid::new_v4().to_string();
    tracing::info!(
        request_id,
        status = status.as_u16(),
        "what came is no request"
    );
    let response = Problem::from_status(status).to_response(Some(&request_id));
    let is_kept = |line: &&str| line.starts_with("HTTP/") || line.starts_with("date: ");
    let kept = head.lines().filter(is_kept);
    let mut text: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    text += &format!("{X_REQUEST_ID}: {request_id}\r\n");
    let always = security::always();
    let headers = always.iter().map(|(name, value)| (name, value));
    for (name, value) in headers.chain(response.headers()) {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    let body = response.into_body().try_into_bytes().unwrap_or_default();
    text += &format!(
        "connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [text.as_bytes(), &body].concat().into()
}

/// Whether a connection is read from. Closed while somebody waits who could not take more.
#[derive(Clone, Default)]
pub struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    is_closed: Cell<bool>,
    reader: Cell<Option<Waker>>,
}

impl Gate {
    /// Stops reading until what is returned is dropped.
    pub fn close(&self) -> impl Drop + use<> {
        self.0.is_closed.set(true);
        Closed(Rc::clone(&self.0))
    }

    fn is_closed_to(&self, reader: &Context<'_>) -> bool {
        let is_closed = self.0.is_closed.get();
        if is_closed {
            self.0.reader.set(Some(reader.waker().clone()));
        }
        is_closed
    }
}

/// A gate that opens again.
struct Closed(Rc<GateState>);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.is_closed.set(false);
        if let Some(reader) = self.0.reader.take() {
            reader.wake();
        }
    }
}
