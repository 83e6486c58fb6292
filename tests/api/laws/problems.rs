//! The table of errors, and what every error answer has.

use std::collections::BTreeSet;

use lectern::problem::Code;
use serde_json::Value;

use crate::support::TestApp;

#[tokio::test]
async fn every_code_is_listed_once_and_explained_at_its_own_address() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let listed = anon.get("/problems").await.expect(200);
    let listed = listed["data"].as_array().unwrap();
    assert_eq!(listed.len(), Code::ALL.len());
    let mut seen = BTreeSet::new();
    for entry in listed {
        let code = entry["code"].as_str().unwrap();
        assert!(seen.insert(code), "{code} is listed twice");
        let kebab = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        assert!(code.split('-').all(kebab), "{code} is not kebab-case");
        let status = entry["status"].as_u64().unwrap();
        assert!((400..600).contains(&status), "{code}: {status}");
        for field in ["title", "explanation"] {
            assert!(!entry[field].as_str().unwrap().is_empty(), "{code}");
        }
        let own = anon.get(&format!("/problems/{code}")).await.expect(200);
        assert_eq!(own, *entry);
    }
    let statuses = listed.iter().map(|entry| entry["status"].as_u64());
    assert!(statuses.is_sorted(), "in the order of their status");
    for unknown in ["nothing", "Not-Found", "not_found", "%00", "not-found%2f"] {
        let reply = anon.get(&format!("/problems/{unknown}")).await;
        reply.expect_problem(404, "not-found");
    }
    app.finish().await;
}

/// The contract's meaning of each status.
#[test]
fn every_code_has_the_status_that_its_meaning_asks_for() {
    let wanted: &[(u16, &[&str])] = &[
        (
            400,
            &[
                "malformed-request",
                "invalid-cursor",
                "bad-signature",
                "idempotency-key-required",
            ],
        ),
        (401, &["unauthenticated", "account-deleted"]),
        (
            403,
            &[
                "forbidden",
                "course-access-required",
                "session-pending",
                "impersonation-forbidden",
            ],
        ),
        (404, &["not-found"]),
        (405, &["method-not-allowed"]),
        (
            409,
            &[
                "already-owned",
                "price-changed",
                "course-in-use",
                "idempotency-key-in-use",
                "already-refunded",
                "refund-too-large",
                "purchase-disputed",
                "conflict",
            ],
        ),
        (412, &["precondition-failed"]),
        (413, &["payload-too-large"]),
        (415, &["unsupported-media-type"]),
        (422, &["invalid", "idempotency-key-reused"]),
        (429, &["rate-limited"]),
        (500, &["internal-error"]),
        (
            503,
            &[
                "database-unavailable",
                "identity-provider-unavailable",
                "payment-provider-unavailable",
            ],
        ),
    ];
    for (status, codes) in wanted {
        for wanted in *codes {
            let code = Code::ALL.iter().find(|code| code.as_str() == *wanted);
            let code = code.unwrap_or_else(|| panic!("{wanted} is a name that clients lean on"));
            assert_eq!(code.status(), *status, "{wanted}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_framework_is_a_problem_with_the_id_of_its_request() {
    let app = TestApp::start().await;
    let anon = app.anon();
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/docs/nowhere.js", 404, "not-found"),
        ("GET", "/v1/products/1", 404, "not-found"),
        ("POST", "/v1/products", 405, "method-not-allowed"),
        ("BREW", "/v1/products", 405, "method-not-allowed"),
        ("POST", "/openapi.json", 405, "method-not-allowed"),
        ("POST", "/docs", 405, "method-not-allowed"),
        ("GET", "/v1/me", 401, "unauthenticated"),
        ("GET", "/v1/products?limit=0", 422, "invalid"),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let reply = anon.send(anon.request(method, path)).await;
        let id = reply.header("x-request-id").to_owned();
        assert_eq!(reply.header("cache-control"), "private, no-store", "{path}");
        if status == 401 {
            assert_eq!(reply.header("www-authenticate"), "Bearer");
        }
        let problem = reply.expect_problem(status, code);
        assert_eq!(problem["requestId"], id);
        for field in ["title", "detail"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_request_id_is_echoed_when_well_formed_and_replaced_otherwise() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let longest = "x".repeat(64);
    for id in [
        "a",
        "0198c2f4-6f0a-4a4e-9c65-4a1f2f5f6b7d",
        "trace_1.2-3",
        &longest,
    ] {
        for path in ["/healthz", "/nowhere"] {
            let request = anon.request(reqwest::Method::GET, path);
            let reply = anon.send(request.header("x-request-id", id)).await;
            assert_eq!(reply.header("x-request-id"), id);
            if path == "/nowhere" {
                assert_eq!(reply.expect_problem(404, "not-found")["requestId"], id);
            }
        }
    }
    let too_long = "x".repeat(65);
    for id in [
        "", " ", "a b", "a\tb", "a,b", "é", "<script>", "\"", &too_long,
    ] {
        let request = anon.request(reqwest::Method::GET, "/nowhere");
        let reply = anon
            .send(request.header("x-request-id", id.as_bytes()))
            .await;
        let made = reply.header("x-request-id").to_owned();
        assert!(uuid::Uuid::parse_str(&made).is_ok(), "{id:?} became {made}");
        assert_eq!(reply.expect_problem(404, "not-found")["requestId"], made);
    }
    let first = anon.get("/healthz").await;
    let second = anon.get("/healthz").await;
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    app.finish().await;
}

#[tokio::test]
async fn an_answer_does_not_say_what_serves_it_nor_why_it_broke() {
    let app = TestApp::start().await;
    let reply = app.anon().get("/v1/products").await;
    assert!(reply.headers.get("server").is_none());
    // A table that is gone is a fault of ours: the answer has the request id and no word of SQL.
    diesel::connection::SimpleConnection::batch_execute(
        &mut app.db(),
        "ALTER TABLE products RENAME TO lost",
    )
    .unwrap();
    let reply = app.anon().get("/v1/products").await;
    let text = reply.text.clone();
    let problem = reply.expect_problem(500, "internal-error");
    assert_eq!(problem["errors"], Value::Null);
    for word in ["relation", "products\\\"", "SELECT", "lost", "diesel"] {
        assert!(!text.contains(word), "{text}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_answer_says_how_it_is_compressed_and_is_so() {
    let app = TestApp::start().await;
    let anon = app.anon();
    for (path, status) in [("/v1/me", 401), ("/nowhere", 404), ("/problems", 200)] {
        let request = anon
            .request(reqwest::Method::GET, path)
            .header("accept-encoding", "gzip");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-encoding"], "gzip");
        // RFC 1952: a member begins with these two bytes.
        assert!(
            response.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]),
            "{path}"
        );
    }
    app.finish().await;
}
