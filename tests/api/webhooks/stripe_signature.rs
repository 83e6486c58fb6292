//! Which bodies are believed to be Stripe's, and which are not even read.

use std::io::Write;
use std::net::TcpStream;

use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::STRIPE_WEBHOOK_SECRET as SECRET;
use crate::support::buying::event;
use crate::support::instance::until;
use crate::support::{Reply, TestApp, sign_stripe};

const WEBHOOK: &str = "/v1/webhooks/stripe";

/// Sends a body under a signature header, or none.
async fn send(app: &TestApp, signature: Option<&[u8]>, body: &[u8]) -> Reply {
    let sender = app.anon();
    let mut request = sender.request(Method::POST, WEBHOOK).body(body.to_vec());
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    sender.send(request).await
}

/// A header that is right now, under the harness's secret.
fn signed(body: &[u8]) -> String {
    sign_stripe(SECRET, Utc::now().timestamp(), body)
}

/// The recorded event, as Stripe would write it.
fn body() -> String {
    event("plan.created", &json!({ "object": "plan" })).to_string()
}

/// H: A1, A4
#[tokio::test]
async fn a_body_that_stripe_did_not_sign_just_now_is_refused_and_not_stored() {
    let app = TestApp::start().await;
    let body = body();
    let bytes = body.as_bytes();
    let now = Utc::now().timestamp();
    let genuine = signed(bytes);
    let tag = genuine.split_once("v1=").unwrap().1;
    let spaced = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap());
    let spaced = spaced.unwrap();
    for (what, signature, body) in [
        ("no header", None, bytes),
        ("an empty header", Some(String::new()), bytes),
        ("no tag", Some(format!("t={now}")), bytes),
        ("no time", Some(format!("v1={tag}")), bytes),
        (
            "another time",
            Some(format!("t={},v1={tag}", now - 9)),
            bytes,
        ),
        ("another scheme", Some(format!("t={now},v0={tag}")), bytes),
        (
            "half a tag",
            Some(format!("t={now},v1={}", &tag[..32])),
            bytes,
        ),
        (
            "another secret",
            Some(sign_stripe("whsec_other", now, bytes)),
            bytes,
        ),
        ("an empty secret", Some(sign_stripe("", now, bytes)), bytes),
        ("another body", Some(genuine.clone()), b"{}"),
        (
            "the same JSON, written anew",
            Some(genuine.clone()),
            spaced.as_bytes(),
        ),
        (
            "too old",
            Some(sign_stripe(SECRET, now - 301, bytes)),
            bytes,
        ),
        (
            "too new",
            Some(sign_stripe(SECRET, now + 330, bytes)),
            bytes,
        ),
        ("no text at all", Some(genuine.clone()), b"\xff\xfe\x00"),
    ] {
        let reply = send(&app, signature.as_deref().map(str::as_bytes), body).await;
        assert_eq!(reply.status, 400, "{what}");
        reply.expect_problem(400, "bad-signature");
    }
    let reply = send(&app, Some(b"t=\xff,v1=\xff"), bytes).await;
    reply.expect_problem(400, "bad-signature");
    assert_eq!(app.count("webhook_events"), 0);

    for time in [now - 290, now + 290] {
        let header = sign_stripe(SECRET, time, bytes);
        let reply = send(&app, Some(header.as_bytes()), bytes).await;
        assert_eq!(reply.expect(200), json!({ "received": true }));
    }
    assert_eq!(app.count("webhook_events"), 1);
    app.finish().await;
}

/// H: A1
#[tokio::test]
async fn what_is_signed_but_no_event_is_refused_without_harm() {
    let app = TestApp::start().await;
    for body in [
        &b"\xff\xfe\x00"[..],
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        br#"{"id":"evt_1"}"#,
        br#"{"type":"plan.created"}"#,
        br#"{"id":7,"type":"plan.created"}"#,
    ] {
        let reply = send(&app, Some(signed(body).as_bytes()), body).await;
        reply.expect_problem(400, "malformed-request");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = deep.as_bytes();
    let reply = send(&app, Some(signed(deep).as_bytes()), deep).await;
    reply.expect_problem(400, "malformed-request");
    assert_eq!(app.count("webhook_events"), 0);
    app.finish().await;
}

/// H: A3
#[tokio::test]
async fn a_secret_can_be_rolled_without_losing_an_event() {
    let secrets = format!("whsec_new, {SECRET}");
    let app = TestApp::start_with(&[("STRIPE_WEBHOOK_SECRETS", &secrets)]).await;
    let now = Utc::now().timestamp();
    let tag = |secret: &str, body: &str| {
        let header = sign_stripe(secret, now, body.as_bytes());
        header.split_once(',').unwrap().1.to_owned()
    };
    for secrets in [
        &["whsec_new"][..],
        &[SECRET],
        &[SECRET, "whsec_new"],
        &["whsec_unknown", SECRET],
    ] {
        let body = body();
        let tags: Vec<_> = secrets.iter().map(|secret| tag(secret, &body)).collect();
        let header = format!("t={now},{},v0=abcd", tags.join(","));
        let reply = send(&app, Some(header.as_bytes()), body.as_bytes()).await;
        reply.expect(200);
    }
    assert_eq!(app.count("webhook_events"), 4);
    app.finish().await;
}

/// H: A14
#[tokio::test]
async fn a_body_that_is_too_large_or_compressed_is_refused() {
    let app = TestApp::start().await;
    let large = vec![b' '; 512 * 1024 + 1];
    let reply = send(&app, Some(signed(&large).as_bytes()), &large).await;
    reply.expect_problem(413, "payload-too-large");

    let sender = app.anon();
    let body = body();
    let request = sender
        .request(Method::POST, WEBHOOK)
        .header("stripe-signature", signed(body.as_bytes()))
        .header("content-encoding", "gzip");
    let reply = sender.send(request.body(body)).await;
    reply.expect_problem(415, "unsupported-media-type");
    assert_eq!(app.count("webhook_events"), 0);

    let mut full = event("plan.created", &json!({}));
    let rest = 512 * 1024 - full.to_string().len() - r#","padding":"""#.len();
    full["padding"] = json!("x".repeat(rest));
    assert_eq!(full.to_string().len(), 512 * 1024);
    app.hear([&full]).await;
    app.finish().await;
}

/// So many who announce a whole body and send so much of it.
async fn unfinished(app: &TestApp, count: usize, bytes: usize) -> Vec<TcpStream> {
    let address = app.url.replace("http://", "");
    let begin = move |_| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let head = "POST /v1/webhooks/stripe HTTP/1.1\r\nHost: a\r\nContent-Length: 524288\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'a'; bytes]).unwrap();
        stream
    };
    let all = move || (0..count).map(begin).collect();
    tokio::task::spawn_blocking(all).await.unwrap()
}

/// H: A14
#[tokio::test]
async fn who_announces_much_and_sends_nothing_takes_no_room() {
    let app = TestApp::start().await;
    let strangers = unfinished(&app, 300, 0).await;
    app.stripe_event(&event("plan.created", &json!({ "object": "plan" })))
        .await
        .expect(200);
    drop(strangers);
    app.finish().await;
}

/// H: A14
#[tokio::test]
async fn who_sends_too_much_at_once_is_put_off_and_keeps_nobody_else_out() {
    let app = TestApp::start_with(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let body = body();
    let deliver = async |address: &str| {
        let sender = app.anon();
        let request = sender.request(Method::POST, WEBHOOK).body(body.clone());
        let request = request.header("x-forwarded-for", address);
        sender
            .send(request.header("stripe-signature", signed(body.as_bytes())))
            .await
    };
    let strangers = unfinished(&app, 32, 524_287).await;
    until("one address has all that it may", async || {
        let reply = deliver("127.0.0.1").await;
        if reply.status != 503 {
            return false;
        }
        assert_eq!(reply.header("retry-after"), "10");
        reply.expect_problem(503, "not-ready");
        true
    })
    .await;
    deliver("203.0.113.9").await.expect(200);
    drop(strangers);
    until("what was taken is given back", async || {
        deliver("127.0.0.1").await.status == 200
    })
    .await;
    app.finish().await;
}

/// H: A21
#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let app = TestApp::start().await;
    let (sender, body) = (app.anon(), body());
    for path in [
        "/v1/webhooks/stripe/",
        "//v1/webhooks/stripe",
        "/v1/webhooks/stripe//",
    ] {
        let request = sender
            .request(Method::POST, path)
            .header("stripe-signature", signed(body.as_bytes()));
        sender.send(request.body(body.clone())).await.expect(200);
    }
    app.finish().await;
}

/// H: A21
#[tokio::test]
async fn a_store_that_the_world_reaches_over_tls_redirects_no_delivery_that_reaches_it_without() {
    let secure = [("PUBLIC_URL", "https://api.example.com")];
    let app = TestApp::start_with(&secure).await;
    let (sender, body) = (app.anon(), body());
    for (name, value) in [("x-forwarded-proto", "http"), ("host", "api.example.com")] {
        let request = sender
            .request(Method::POST, WEBHOOK)
            .header("stripe-signature", signed(body.as_bytes()))
            .header(name, value);
        sender.send(request.body(body.clone())).await.expect(200);
    }
    app.finish().await;
}
