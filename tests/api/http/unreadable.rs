//! What is no request of HTTP, or not one that the parser takes.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use lectern::server::{self, Terms};

use crate::support::{TestApp, wire};

/// What is not HTTP is refused below the application, which it looks like all the same.
#[tokio::test]
async fn a_request_that_is_no_http_or_a_flood_of_headers_is_a_problem_like_any_other() {
    let app = TestApp::start().await;
    let head = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let fields = |count: usize| {
        (0..count)
            .map(|n| format!("X-{n}: a\r\n"))
            .collect::<String>()
    };
    let line = |length: usize| format!("X-Long: {}\r\n", "a".repeat(length));
    for request in [
        format!("{head}{}\r\n", fields(90)),
        format!("{head}{}\r\n", line(100_000)),
    ] {
        assert!(
            wire::send(&app.url, request.as_bytes())
                .await
                .starts_with("HTTP/1.1 200 ")
        );
    }
    let (malformed, flood) = ((400, "malformed-request"), (431, "request-head-too-large"));
    for (request, (status, code)) in [
        (format!("{head}{}\r\n", fields(200)), flood),
        (format!("{head}{}\r\n", line(200_000)), flood),
        ("GET /healthz\r\n\r\n".into(), malformed),
        ("G@T /healthz HTTP/1.1\r\nHost: a\r\n\r\n".into(), malformed),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), malformed),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(70_000)), malformed),
        (
            "POST /v1/webhooks/stripe HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .into(),
            malformed,
        ),
        ("POST /v1/webhooks/stripe HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc".into(), malformed),
    ] {
        let answer = wire::send(&app.url, request.as_bytes()).await;
        wire::expect_problem(&answer, status, code);
    }
    // Behind an answer on the same connection.
    let two = format!(
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n{head}{}\r\n",
        fields(200)
    );
    let answers = wire::send(&app.url, two.as_bytes()).await;
    let refusal = answers.find("HTTP/1.1 431 ").unwrap();
    assert!(answers.starts_with("HTTP/1.1 200 "), "{answers}");
    wire::expect_problem(&answers[refusal..], 431, "request-head-too-large");
    app.anon().get("/healthz").await.expect(200);
    app.finish().await;
}

/// Headers are sent in no certain order, so it is asked more than once.
#[tokio::test]
async fn an_answer_that_quotes_a_refusal_is_none() {
    let app = TestApp::start().await;
    let request = "OPTIONS /v1/me HTTP/1.1\r\nHost: a\r\nOrigin: https://shop.example.com\r\nConnection: close\r\n\
         Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: HTTP/1.1 431\r\n\r\n";
    for _ in 0..30 {
        let answer = wire::send(&app.url, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
        assert_eq!(answer.matches("content-length").count(), 1, "{answer}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_request_whose_head_does_not_arrive_is_given_up_with_a_problem() {
    let app = TestApp::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let terms = Terms {
        workers: Some(1),
        request_head: Duration::from_millis(100),
        ..Terms::default()
    };
    let server = server::serve(listener, app.state.clone(), Arc::new(|_| {}), terms).unwrap();
    let handle = server.handle();
    tokio::spawn(server);
    let answer = wire::send(&url, b"GET /healthz HTTP/1.1\r\nHo").await;
    wire::expect_problem(&answer, 408, "request-timeout");
    handle.stop(true).await;
    app.finish().await;
}
