//! Requests as bytes, for what no client would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Sends bytes as they are and reads to the end of the connection.
pub async fn send(url: &str, request: &[u8]) -> String {
    let (address, request) = (url.replace("http://", ""), request.to_owned());
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(&request).unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        end.unwrap_or_else(|error| panic!("not closed ({error}) after: {answer}"));
        answer
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

/// Holds that a whole answer is a problem like those of the application, after which the connection ends.
#[track_caller]
pub fn expect_problem(answer: &str, status: u16, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (first, fields) = head.split_once("\r\n").unwrap();
    assert!(
        first.starts_with(&format!("HTTP/1.1 {status} ")),
        "{answer}"
    );
    let fields: Vec<_> = fields
        .lines()
        .map(|field| field.split_once(": ").unwrap())
        .collect();
    let field = |wanted: &str| {
        let mut values = fields
            .iter()
            .filter(|(name, _)| *name == wanted)
            .map(|(_, value)| *value);
        let value = values
            .next()
            .unwrap_or_else(|| panic!("no {wanted} in {answer}"));
        assert!(values.next().is_none(), "two of {wanted} in {answer}");
        value
    };
    assert_eq!(field("content-type"), "application/problem+json");
    assert_eq!(field("content-length"), body.len().to_string());
    assert_eq!(field("connection"), "close");
    assert_eq!(field("cache-control"), "private, no-store");
    assert_eq!(field("x-content-type-options"), "nosniff");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["code"], code);
    assert_eq!(problem["requestId"], field("x-request-id"));
}
