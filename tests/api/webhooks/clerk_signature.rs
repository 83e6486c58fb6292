//! Which messages are believed to be Clerk's.

use chrono::Utc;
use lectern::webhooks::signature::StandardSecret;
use reqwest::Method;
use serde_json::json;

use crate::support::app::CLERK_WEBHOOK_SECRET;
use crate::support::{Reply, TestApp};

const WEBHOOK: &str = "/v1/webhooks/clerk";

/// Sends a body under three headers of a family.
async fn send(app: &TestApp, family: &str, [id, time, signature]: [&str; 3], body: &[u8]) -> Reply {
    let sender = app.anon();
    let request = sender
        .request(Method::POST, WEBHOOK)
        .header(format!("{family}-id"), id)
        .header(format!("{family}-timestamp"), time)
        .header(format!("{family}-signature"), signature);
    sender.send(request.body(body.to_vec())).await
}

/// H: A1, A3, A4
#[tokio::test]
async fn only_what_clerk_signed_just_now_is_believed() {
    let new = "whsec_bmV3";
    let secrets = format!("{new},{CLERK_WEBHOOK_SECRET}");
    let app = TestApp::start_with(&[("CLERK_WEBHOOK_SECRETS", &secrets)]).await;
    let body = include_str!("../../fixtures/clerk/user.created.json");
    let body = body.as_bytes();
    let sign = |secret: &str, id: &str, time: i64| {
        let secret: StandardSecret = secret.parse().unwrap();
        secret.sign(id, time, body)
    };
    let now = Utc::now().timestamp();
    let time = now.to_string();
    let genuine = sign(CLERK_WEBHOOK_SECRET, "msg_1", now);
    let (old, late) = (now - 301, now + 330);
    for (what, id, time, signature, body) in [
        ("another id", "msg_2", time.clone(), genuine.clone(), body),
        (
            "another time",
            "msg_1",
            (now - 1).to_string(),
            genuine.clone(),
            body,
        ),
        (
            "another body",
            "msg_1",
            time.clone(),
            genuine.clone(),
            b"{}",
        ),
        (
            "another version",
            "msg_1",
            time.clone(),
            genuine.replace("v1", "v1a"),
            body,
        ),
        (
            "another secret",
            "msg_1",
            time.clone(),
            sign("whsec_b3RoZXI=", "msg_1", now),
            body,
        ),
        ("no text", "msg_1", time.clone(), genuine.clone(), b"\xff"),
        (
            "too old",
            "msg_1",
            old.to_string(),
            sign(new, "msg_1", old),
            body,
        ),
        (
            "too new",
            "msg_1",
            late.to_string(),
            sign(new, "msg_1", late),
            body,
        ),
    ] {
        let reply = send(&app, "svix", [id, &time, &signature], body).await;
        assert_eq!(reply.status, 400, "{what}");
        reply.expect_problem(400, "bad-signature");
    }
    let unsigned = app.anon().post(WEBHOOK, json!({})).await;
    unsigned.expect_problem(400, "bad-signature");
    assert_eq!(app.count("webhook_events"), 0);

    let rolled = format!("v1,AAAA {} {genuine}", sign(new, "msg_1", now));
    for (family, signature) in [
        ("svix", genuine.as_str()),
        ("webhook", &genuine),
        ("svix", &rolled),
        ("webhook", &sign(new, "msg_1", now)),
    ] {
        let reply = send(&app, family, ["msg_1", &time, signature], body).await;
        assert_eq!(reply.expect(200), json!({ "received": true }));
    }
    assert_eq!(app.count("webhook_events"), 1);
    app.finish().await;
}
