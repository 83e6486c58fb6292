//! How an instance ends: proxies find out first, nobody is cut off, and whoever insists gets it at once.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::instance::until;
use crate::support::program::Program;
use crate::support::{Client, TestApp};

/// A request that is in flight for as long as the test likes: the server waits for the rest of its body.
struct InFlight(TcpStream);

impl InFlight {
    /// Begins one, and returns when its head was read.
    fn begin(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "POST /v1/webhooks/stripe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\
             Expect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
        stream.read_exact(&mut go_on).unwrap();
        assert!(go_on.starts_with(b"HTTP/1.1 100 "), "{go_on:?}");
        Self(stream)
    }

    /// Sends the body, and returns all that is answered.
    fn end(mut self) -> String {
        self.0.write_all(b"{}").unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// What a new connection is answered; 0 when there is none to be had.
async fn status(address: &str, path: &str) -> u16 {
    let answer = Client::connections().get(format!("http://{address}{path}"));
    let answer = answer.send().await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

#[tokio::test]
async fn an_instance_that_is_told_to_end_says_so_while_it_still_accepts() {
    let app = TestApp::start().await;
    let program = Program::start_with(&app, &["serve"], &[("SHUTDOWN_DELAY", "60")]);
    program.ready().await;
    program.signal("TERM");
    until("it is not ready", async || {
        status(&program.address, "/readyz").await == 503
    })
    .await;
    assert_eq!(status(&program.address, "/healthz").await, 200);
    app.finish().await;
}

#[tokio::test]
async fn an_instance_that_ends_accepts_nothing_more_and_finishes_what_it_has() {
    let app = TestApp::start().await;
    let program = Program::start(&app, &["serve"]);
    program.ready().await;
    let address = program.address.clone();
    let request = InFlight::begin(&address);
    program.signal("TERM");
    until("it accepts no more", async || {
        status(&address, "/healthz").await == 0
    })
    .await;
    let answer = request.end();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("bad-signature"), "{answer}");
    let (exit, log) = program.ended().await;
    assert_eq!(exit.code(), Some(0), "{log}");
    app.finish().await;
}

#[tokio::test]
async fn who_never_sends_the_rest_of_a_request_keeps_no_instance_from_ending_well() {
    let app = TestApp::start().await;
    let program = Program::start(&app, &["serve"]);
    program.ready().await;
    let request = InFlight::begin(&program.address);
    program.signal("TERM");
    // Half a minute later.
    let (exit, log) = program.ended().await;
    assert_eq!(exit.code(), Some(0), "{log}");
    drop(request);
    app.finish().await;
}

#[tokio::test]
async fn an_instance_that_is_told_twice_ends_at_once() {
    let app = TestApp::start().await;
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let program = Program::start_with(&app, &["serve"], &[("SHUTDOWN_DELAY", "300")]);
        program.ready().await;
        let _request = InFlight::begin(&program.address);
        program.signal(first);
        program.until_logged("told to end").await;
        program.signal(second);
        let (exit, log) = program.ended().await;
        assert_eq!(exit.code(), Some(1), "{log}");
        assert!(log.contains("for the second time"), "{log}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_worker_that_is_told_to_end_ends_well() {
    let app = TestApp::start().await;
    let program = Program::start(&app, &["jobs"]);
    program.metrics().await;
    program.stop().await;
    app.finish().await;
}
