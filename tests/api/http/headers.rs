//! Headers that every answer has, whoever asked for what.

use reqwest::Method;

use crate::laws::{document, operations};
use crate::support::lists::NOBODY;
use crate::support::{Shop, TestApp};

fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{code}" => "not-found",
        segment if segment.starts_with('{') => NOBODY,
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_answer_protects_and_says_who_may_keep_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let mut asked: Vec<_> = operations(&document(&app).await)
        .into_iter()
        .map(|(path, method, _)| (method, filled(&path)))
        .collect();
    for path in ["/nowhere", "/docs", "/docs/index.html", "/openapi.json"] {
        asked.push(("GET".into(), path.into()));
        asked.push(("OPTIONS".into(), path.into()));
    }
    asked.push(("GET".into(), format!("/v1/products/{}", shop.product)));
    for client in [app.anon(), app.admin()] {
        for (method, path) in &asked {
            let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
            let reply = client.send(request).await;
            let what = format!("{method} {path}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff", "{what}");
            assert_eq!(reply.header("referrer-policy"), "no-referrer", "{what}");
            assert_eq!(
                reply.header("cross-origin-opener-policy"),
                "same-origin",
                "{what}"
            );
            assert_eq!(
                reply.header("cross-origin-resource-policy"),
                "same-origin",
                "{what}"
            );
            let policy = reply.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; "),
                "{what}: {policy}"
            );
            assert!(
                !policy.contains("unsafe-eval") && !policy.contains('*'),
                "{what}"
            );
            assert_eq!(
                policy.contains("script-src"),
                path.starts_with("/docs"),
                "{what}"
            );
            for absent in ["server", "x-powered-by", "strict-transport-security"] {
                assert!(!reply.headers.contains_key(absent), "{what}: {absent}");
            }
            let public = reply.status.as_u16() < 400
                && method == "GET"
                && ["/v1/products", "/problems", "/openapi", "/docs"]
                    .iter()
                    .any(|start| path.starts_with(start))
                && !path.ends_with("/quote");
            let cache = reply.header("cache-control");
            if public {
                assert!(cache.starts_with("public, max-age="), "{what}: {cache}");
            } else if !path.starts_with("/docs") {
                assert_eq!(cache, "private, no-store", "{what}");
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn only_who_comes_over_tls_is_told_to_insist_on_it() {
    for (proxies, scheme, is_told) in [
        ("127.0.0.0/8", "https", true),
        ("127.0.0.0/8", "http", false),
        ("127.0.0.0/8", "", false),
        ("10.0.0.0/8", "https", false),
    ] {
        let app = TestApp::start_with(&[
            ("PUBLIC_URL", "https://api.example.com"),
            ("TRUSTED_PROXIES", proxies),
        ])
        .await;
        let anon = app.anon();
        let reply = anon.get_with("/v1/products", "x-forwarded-proto", scheme);
        let told = reply.await.headers.remove("strict-transport-security");
        let told = told.as_ref().map(|told| told.to_str().unwrap());
        let wanted = is_told.then_some("max-age=31536000");
        assert_eq!(told, wanted, "{proxies} {scheme}");
        app.finish().await;
    }
}

#[tokio::test]
async fn the_documentation_may_call_the_store_under_its_public_name() {
    let app = TestApp::start_with(&[("PUBLIC_URL", "https://api.example.com")]).await;
    let docs = app.anon().get("/docs/index.html").await;
    let policy = docs.header("content-security-policy");
    assert!(
        policy.ends_with("connect-src 'self' https://api.example.com"),
        "{policy}"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_page_of_the_shop_may_read_what_the_contract_lists() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let reply = anon
        .get_with("/v1/products", "origin", "https://shop.example.com")
        .await;
    assert_eq!(
        reply.header("access-control-allow-origin"),
        "https://shop.example.com"
    );
    let exposed = reply
        .header("access-control-expose-headers")
        .to_ascii_lowercase();
    let mut exposed: Vec<_> = exposed.split(',').map(str::trim).collect();
    exposed.sort_unstable();
    assert_eq!(
        exposed,
        [
            "etag",
            "idempotency-replayed",
            "link",
            "location",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id"
        ]
    );
    let foreign = anon
        .get_with("/v1/products", "origin", "https://evil.example.com")
        .await;
    assert!(!foreign.headers.contains_key("access-control-allow-origin"));
    for header in [
        "idempotency-key",
        "if-match",
        "if-none-match",
        "authorization",
        "traceparent",
    ] {
        let request = anon
            .request(Method::OPTIONS, "/v1/checkout/sessions")
            .header("origin", "https://shop.example.com")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", header);
        let allowed = anon.send(request).await;
        assert!(allowed.status.is_success(), "{header}");
        let listed = allowed
            .header("access-control-allow-headers")
            .to_ascii_lowercase();
        assert!(listed.contains(header), "{listed}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_trace_is_continued_when_well_formed_and_begun_otherwise() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let good = format!("00-{trace}-00f067aa0ba902b7-01");
    for path in ["/healthz", "/nowhere"] {
        let reply = anon.get_with(path, "traceparent", &good).await;
        assert_eq!(reply.header("traceparent"), good, "{path}");
    }
    let zero = "0".repeat(32);
    for bad in [
        String::new(),
        good.to_uppercase(),
        format!("00-{zero}-00f067aa0ba902b7-01"),
        format!("00-{trace}-0000000000000000-01"),
        format!("ff-{trace}-00f067aa0ba902b7-01"),
        format!("{good}-x"),
        format!("00-{trace}-00f067aa0ba902b7"),
    ] {
        let reply = anon.get_with("/healthz", "traceparent", &bad).await;
        let made = reply.header("traceparent");
        assert_ne!(made, bad);
        let parts: Vec<_> = made.split('-').map(str::len).collect();
        assert_eq!(parts, [2, 32, 16, 2], "{made}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_head_is_a_get_without_the_body_at_every_address() {
    let app = TestApp::start().await;
    let admin = app.admin();
    for (path, method, _) in operations(&document(&app).await) {
        if method != "GET" {
            continue;
        }
        let path = filled(&path);
        let get = admin.get(&path).await;
        let head = admin.send(admin.request(Method::HEAD, &path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.text, "", "{path}");
        for name in get.headers.keys() {
            let moves = [
                "date",
                "x-request-id",
                "traceparent",
                "ratelimit",
                "content-length",
                "transfer-encoding",
            ];
            let values = |reply: &crate::support::Reply| {
                let mut values: Vec<_> = reply.headers.get_all(name).iter().cloned().collect();
                values.sort();
                values
            };
            if !moves.contains(&name.as_str()) {
                assert_eq!(values(&head), values(&get), "{path}: {name}");
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_problem_is_explained_to_people_in_html_and_to_programs_in_json() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, is_html) in [
        (browser, true),
        ("text/html", true),
        ("text/*;q=0.9, application/json;q=0.8", true),
        ("application/json, text/html;q=0.9", false),
        ("text/html;q=0", false),
        ("*/*", false),
        ("", false),
        ("image/png", false),
        ("nonsense;q=x", false),
    ] {
        for path in ["/problems", "/problems/precondition-failed"] {
            let reply = anon.get_with(path, "accept", accept).await;
            assert_eq!(reply.status, 200);
            let kind = if is_html {
                "text/html; charset=utf-8"
            } else {
                "application/json"
            };
            assert_eq!(reply.header("content-type"), kind, "{accept}");
            let vary = reply.headers.get_all("vary").iter();
            let vary: Vec<_> = vary.map(|vary| vary.to_str().unwrap()).collect();
            let vary = vary.join(", ");
            assert!(
                vary.split(", ").any(|name| name == "Accept"),
                "{accept}: {vary}"
            );
            assert!(reply.text.contains("precondition-failed") || path == "/problems");
            assert_eq!(reply.text.starts_with("<!doctype html>"), is_html);
        }
    }
    let json = anon.get("/problems/not-found").await;
    let html = anon
        .get_with("/problems/not-found", "accept", browser)
        .await;
    assert_ne!(json.header("etag"), html.header("etag"));
    app.finish().await;
}

#[tokio::test]
async fn a_body_in_another_charset_or_ambiguous_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let send = |kind: &'static str, body: String| {
        let request = admin.request(Method::POST, "/v1/admin/courses");
        admin.send(request.header("content-type", kind).body(body))
    };
    let good = r#"{"name":"N","description":"D"}"#.to_owned();
    for kind in [
        "application/json; charset=latin1",
        "application/json; charset=\"utf-16\"",
    ] {
        let refused = send(kind, good.clone()).await;
        refused.expect_problem(415, "unsupported-media-type");
    }
    for kind in [
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        send(kind, good.clone()).await.expect(201);
    }
    let twice = r#"{"name":"N","name":"M","description":"D"}"#.to_owned();
    send("application/json", twice)
        .await
        .expect_invalid("/name");
    app.finish().await;
}
