//! Bad input: what is sent wrongly is answered with the fault and its place, and never reaches the database.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use futures_util::future::{join, join_all};
use lectern::schema::products;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::lists::NOBODY;
use crate::support::shop;
use crate::support::wire;
use crate::support::{Client, Reply, Shop, TestApp};

/// An endpoint with a JSON body, and a body that it accepts.
struct Endpoint {
    method: Method,
    path: String,
    good: Value,
    /// Fields without which it cannot do.
    required: &'static [&'static str],
}

impl Endpoint {
    async fn send(&self, client: &Client, body: impl Into<reqwest::Body>) -> Reply {
        let request = client.request(self.method.clone(), &self.path);
        let request = request.header("content-type", "application/json");
        client.send(request.body(body)).await
    }

    async fn send_json(&self, client: &Client, body: &Value) -> Reply {
        self.send(client, body.to_string()).await
    }

    /// The good body with a field changed.
    fn with(&self, field: &str, value: &Value) -> Value {
        let mut body = self.good.clone();
        body[field] = value.clone();
        body
    }
}

/// Every endpoint with a JSON body.
fn endpoints(shop: &Shop) -> Vec<Endpoint> {
    let course = json!({ "name": "N", "description": "D" });
    let section = json!({ "name": "N", "status": "public" });
    let lesson = json!({
        "name": "N", "description": "D", "youtubeVideoId": "dQw4w9WgXcQ", "status": "preview",
    });
    let product = json!({
        "name": "N", "description": "D", "imageUrl": "/n.png", "priceInCents": 4900, "status": "public",
        "courseIds": [shop.course],
    });
    let mut moved = lesson.clone();
    moved["sectionId"] = json!(shop.practice);
    let mut order = shop.order();
    order["expectedTotalInCents"] = json!(4900);
    let of = |method, path: String, good: &Value, required| Endpoint {
        method,
        path,
        good: good.clone(),
        required,
    };
    let (post, patch) = (Method::POST, Method::PATCH);
    vec![
        of(
            post.clone(),
            "/v1/admin/courses".into(),
            &course,
            &["name", "description"],
        ),
        of(
            patch.clone(),
            format!("/v1/admin/courses/{}", shop.course),
            &course,
            &[],
        ),
        of(
            post.clone(),
            format!("/v1/admin/courses/{}/sections", shop.course),
            &section,
            &["name"],
        ),
        of(
            patch.clone(),
            format!("/v1/admin/sections/{}", shop.basics),
            &section,
            &[],
        ),
        of(
            post.clone(),
            format!("/v1/admin/sections/{}/lessons", shop.basics),
            &lesson,
            &["name", "youtubeVideoId"],
        ),
        of(
            patch.clone(),
            format!("/v1/admin/lessons/{}", shop.welcome),
            &moved,
            &[],
        ),
        of(
            post.clone(),
            "/v1/admin/products".into(),
            &product,
            &[
                "name",
                "description",
                "imageUrl",
                "priceInCents",
                "courseIds",
            ],
        ),
        of(
            patch,
            format!("/v1/admin/products/{}", shop.product),
            &product,
            &[],
        ),
        of(
            post,
            "/v1/checkout/sessions".into(),
            &order,
            &["productId", "uiMode", "returnUrl"],
        ),
    ]
}

/// Values that a field never accepts, and below which pointer they are named.
fn wrong_values(field: &str) -> Vec<(Value, &'static str)> {
    let here = |values: Value| -> Vec<(Value, &'static str)> {
        let Value::Array(values) = values else {
            panic!("a list of values")
        };
        values.into_iter().map(|value| (value, "")).collect()
    };
    let long = |length: usize| "x".repeat(length);
    match field {
        "name" => here(json!([
            1,
            true,
            [],
            {},
            null,
            "",
            " \t\u{3000}",
            "a\u{0}b",
            "a\nb",
            "a\tb",
            "\u{7f}",
            "\u{85}a\u{85}b",
            long(201),
            "🦀".repeat(201),
        ])),
        "description" => here(json!([
            1,
            false,
            [],
            {},
            "",
            "\n",
            "a\u{0}b",
            "a\u{1b}[31mb",
            long(10_001)
        ])),
        "imageUrl" => here(json!([
            1,
            null,
            "",
            "a.png",
            "http://images.example.com/a.png",
            "//evil.example/a.png",
            "/\\evil.example",
            "https://",
            "javascript:alert(1)",
            "data:image/png;base64,AA==",
            "/a b",
            "/a\u{0}",
            format!("/{}", long(2048)),
        ])),
        "priceInCents" => here(json!([
            -1,
            100_000_000,
            2_147_483_648_u64,
            u64::MAX,
            1.5,
            100.0,
            "100",
            "",
            null,
            true,
            [100],
            {},
        ])),
        "expectedTotalInCents" => here(json!([-1, 100_000_000, 1.5, "4900", true, []])),
        "status" | "uiMode" => here(json!([
            "Public", "hosted ", "", "deleted", "public\u{0}", 0, null, true, ["public"], { "public": null },
            { "hosted": null },
        ])),
        "courseIds" => {
            let mut wrong = here(json!([1, "x", null, {}, []]));
            let inside = json!([["x"], [1], [null], [""], [["x"]], ["\u{0}"], [NOBODY]]);
            wrong.extend(
                inside
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|value| (value.clone(), "/0")),
            );
            wrong
        }
        "youtubeVideoId" => here(json!([
            1,
            null,
            "",
            "short",
            "dQw4w9WgXc\u{0}",
            "https://vimeo.com/1"
        ])),
        "sectionId" | "productId" => here(json!([1, null, "", "x", "\u{0}", {}, ["x"]])),
        "returnUrl" => here(json!([
            1,
            null,
            "",
            "/return",
            "https://evil.example/return",
            "https://shop.example.com.evil.example/",
            "https://shop.example.com@evil.example/",
            "http://shop.example.com/return",
            "javascript:alert(1)",
            "https://shop.example.com/\u{0}",
            format!("https://shop.example.com/{}", long(2000)),
        ])),
        other => panic!("say what is wrong for {other}"),
    }
}

/// All that the endpoints could have changed.
async fn stored(admin: &Client, app: &TestApp, shop: &Shop) -> Value {
    let course = format!("/v1/admin/courses/{}", shop.course);
    json!([
        admin.walk("/v1/admin/courses").await,
        admin.get(&course).await.expect(200),
        admin.walk("/v1/admin/products").await,
        app.count("checkouts"),
    ])
}

#[tokio::test]
async fn each_field_refuses_what_it_cannot_hold_and_is_pointed_at() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let before = stored(&admin, &app, &shop).await;
    for endpoint in endpoints(&shop) {
        for field in endpoint.good.as_object().unwrap().keys() {
            for (value, below) in wrong_values(field) {
                println!("{} {} {field}: {value}", endpoint.method, endpoint.path);
                let body = endpoint.with(field, &value);
                let reply = endpoint.send_json(&admin, &body).await;
                reply.expect_invalid(&format!("/{field}{below}"));
            }
        }
        for field in endpoint.required {
            let mut body = endpoint.good.clone();
            body.as_object_mut().unwrap().remove(*field);
            let problem = endpoint
                .send_json(&admin, &body)
                .await
                .expect_problem(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"));
            assert_eq!(problem["errors"][0]["code"], "required");
        }
    }
    assert_eq!(
        stored(&admin, &app, &shop).await,
        before,
        "nothing was written"
    );
    // The bodies were wrong for these reasons alone.
    for endpoint in endpoints(&shop) {
        let reply = endpoint.send_json(&admin, &endpoint.good).await;
        assert!(
            reply.status.is_success(),
            "{} {}: {}",
            endpoint.method,
            endpoint.path,
            reply.text
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_body_of_another_shape_than_the_endpoints_is_refused() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let before = stored(&admin, &app, &shop).await;
    for endpoint in endpoints(&shop) {
        let values: Vec<_> = endpoint
            .good
            .as_object()
            .unwrap()
            .values()
            .cloned()
            .collect();
        for body in [
            json!([]),
            json!(values),
            json!(null),
            json!("{}"),
            json!(1),
            json!(true),
        ] {
            endpoint.send_json(&admin, &body).await.expect_invalid("");
        }
        for (name, pointer) in [
            ("surprise", "/surprise"),
            ("Name", "/Name"),
            ("id", "/id"),
            ("userId", "/userId"),
            ("", "/"),
            ("a/b~c", "/a~1b~0c"),
            ("\u{0}", "/\u{0}"),
        ] {
            let reply = endpoint
                .send_json(&admin, &endpoint.with(name, &json!(1)))
                .await;
            let problem = reply.expect_problem(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
            assert_eq!(problem["errors"][0]["code"], "unknown-field");
        }
        for (field, value) in endpoint.good.as_object().unwrap() {
            let good = endpoint.good.to_string();
            let twice = good.replacen('{', &format!("{{{}:{value},", json!(field)), 1);
            let problem = endpoint
                .send(&admin, twice)
                .await
                .expect_problem(422, "invalid");
            assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"));
            assert_eq!(problem["errors"][0]["code"], "duplicate-field");
        }
    }
    assert_eq!(
        stored(&admin, &app, &shop).await,
        before,
        "nothing was written"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let deep = "[".repeat(20_000);
    let bodies: [&[u8]; 13] = [
        b"",
        b" ",
        b"{",
        b"}",
        b"name=N",
        b"{'name':'N'}",
        b"{\"name\":\"N\",}",
        b"{\"name\":\"N\"} {}",
        b"{\"name\":\"a\0b\"}",
        b"{\"name\":\"a\nb\"}",
        b"{\"name\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        deep.as_bytes(),
    ];
    for endpoint in endpoints(&shop) {
        for body in bodies {
            let reply = endpoint.send(&admin, body.to_vec()).await;
            reply.expect_problem(400, "malformed-request");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_body_may_be_nested_32_levels_deep_and_no_deeper() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let nested = |levels: usize| format!("{}\"]{{\\\"\"{}", "[".repeat(levels), "]".repeat(levels));
    for endpoint in endpoints(&shop) {
        let field = endpoint.good.as_object().unwrap().keys().next().unwrap();
        for field in [field, "surprise"] {
            // The object itself is a level.
            let body = |levels: usize| format!("{{{}:{}}}", json!(field), nested(levels - 1));
            let allowed = endpoint.send(&admin, body(32)).await;
            let problem = allowed.expect_problem(422, "invalid");
            let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
            assert!(pointer.starts_with(&format!("/{field}")), "{pointer}");
            for levels in [33, 30_000] {
                let refused = endpoint.send(&admin, body(levels)).await;
                let problem = refused.expect_problem(400, "malformed-request");
                assert!(problem["detail"].as_str().unwrap().contains("32 levels"));
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_path_means_what_is_written_and_nothing_else() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let id = &shop.product;
    for path in [
        "/v1%2Fproducts".to_owned(),
        "/v1/products%2F".into(),
        format!("/v1/products/{id}%2Fquote"),
        format!("/v1/products/{id}%252Fquote"),
        format!("/v1/products/%2e%2e/products/{id}"),
        format!("/v1/products/../products/{id}"),
        "/v1/./products".into(),
        "/v1/products/%c0%ae%c0%ae".into(),
        "/v1/products/%ff".into(),
        "/v1/products/%zz".into(),
        "/v1/products/%".into(),
        format!("/v1/products/{id}%00"),
        format!("/v1/products/{id};a=b"),
        "/V1/products".into(),
        "/docs/../v1/products".into(),
        "/docs/%2e%2e/%2e%2e/etc/passwd".into(),
        "/docs/..%2f..%2fetc/passwd".into(),
        "/problems/..%2fproducts".into(),
        format!("/v1/product%73/{id}"),
        "/%64ocs/index.html".into(),
    ] {
        // As it stands: a client would tidy the path up first.
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = wire::send(&app.url, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(
            answer.contains("\"code\":\"not-found\""),
            "{path}: {answer}"
        );
    }
    // A slash too many is none.
    let path = format!("//v1///products/{id}/");
    app.anon().get(&path).await.expect(200);
    app.finish().await;
}

/// Conditions, repetitions and limits are looked up by address, before routing would decode one.
#[tokio::test]
async fn a_change_at_an_address_in_disguise_is_not_made() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let before = admin
        .get(&format!("/v1/admin/courses/{}", shop.course))
        .await;
    let (first, rest) = shop.course.split_at(1);
    let encoded = format!("%{:02x}{rest}", first.as_bytes()[0]);
    for path in [
        format!("/v1/admin/courses/{encoded}"),
        format!("/v1/%61dmin/courses/{}", shop.course),
    ] {
        let request = admin
            .request(Method::PATCH, &path)
            .json(&json!({ "name": "Other" }));
        let stale = admin.send(request.header("if-match", "\"stale.x\"")).await;
        stale.expect_problem(404, "not-found");
    }
    let new = json!({ "name": "New", "description": "D" });
    let reply = admin.post("/v1/admin/course%73", new).await;
    reply.expect_problem(404, "not-found");
    let after = admin
        .get(&format!("/v1/admin/courses/{}", shop.course))
        .await;
    assert_eq!(before.text, after.text);
    assert_eq!(app.count("courses"), 1);
    app.finish().await;
}

/// Ranges are not offered, and whoever asks for one gets the whole (RFC 9110, section 14.2).
#[tokio::test]
async fn a_range_is_answered_with_everything() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let whole = anon.get("/problems").await;
    for range in ["bytes=0-10", "bytes=900000-", "bytes=5-1", "lines=1-2", "x"] {
        let reply = anon.get_with("/problems", "range", range).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.text),
            (200, &whole.text),
            "{range}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn a_body_of_the_wrong_media_type_or_size_is_not_read() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for endpoint in endpoints(&shop) {
        let good = endpoint.good.to_string();
        let typed = |media_type: &str| {
            let request = admin.request(endpoint.method.clone(), &endpoint.path);
            request
                .header("content-type", media_type)
                .body(good.clone())
        };
        for media_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "json",
            "*/*",
        ] {
            let reply = admin.send(typed(media_type)).await;
            reply.expect_problem(415, "unsupported-media-type");
        }
        let bare = admin.request(endpoint.method.clone(), &endpoint.path);
        let reply = admin.send(bare.body(good.clone())).await;
        reply.expect_problem(415, "unsupported-media-type");
        let compressed = typed("application/json").header("content-encoding", "gzip");
        let reply = admin.send(compressed).await;
        reply.expect_problem(415, "unsupported-media-type");
        let merge_patch = admin.send(typed("application/merge-patch+json")).await;
        if endpoint.method == Method::PATCH {
            merge_patch.expect(200);
        } else {
            merge_patch.expect_problem(415, "unsupported-media-type");
        }
        let padded = |size: usize| format!("{}{good}", " ".repeat(size - good.len()));
        let reply = endpoint.send(&admin, padded(64 * 1024 + 1)).await;
        reply.expect_problem(413, "payload-too-large");
        let request = admin.request(endpoint.method.clone(), &endpoint.path);
        let request = request.header("content-type", "Application/JSON; charset=utf-8");
        let reply = admin.send(request.body(padded(64 * 1024))).await;
        assert!(reply.status.is_success(), "{}", reply.text);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_change_that_would_clear_what_is_required_is_refused() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for (path, fields) in [
        (
            format!("/v1/admin/courses/{}", shop.course),
            &["name", "description"][..],
        ),
        (
            format!("/v1/admin/sections/{}", shop.basics),
            &["name", "status"],
        ),
        (
            format!("/v1/admin/lessons/{}", shop.welcome),
            &["name", "youtubeVideoId", "status", "sectionId"],
        ),
        (
            format!("/v1/admin/products/{}", shop.product),
            &[
                "name",
                "description",
                "imageUrl",
                "priceInCents",
                "status",
                "courseIds",
            ],
        ),
    ] {
        let before = admin.get(&path).await.expect(200);
        for field in fields {
            let reply = admin.patch(&path, json!({ *field: null })).await;
            reply.expect_invalid(&format!("/{field}"));
        }
        assert_eq!(admin.get(&path).await.expect(200), before);
    }
    app.finish().await;
}

#[tokio::test]
async fn names_of_any_script_come_back_on_everything_that_has_one() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for name in ["🦀 Ferris 👩‍👩‍👧‍👦", "שלום עולם", "مرحبا \u{202b}بالعالم\u{202c}"]
    {
        for path in [
            format!("/v1/admin/courses/{}", shop.course),
            format!("/v1/admin/sections/{}", shop.basics),
            format!("/v1/admin/lessons/{}", shop.welcome),
            format!("/v1/admin/products/{}", shop.product),
        ] {
            let changed = admin.change(&path, json!({ "name": name })).await;
            assert_eq!(changed["name"], name, "{path}");
            assert_eq!(admin.get(&path).await.expect(200)["name"], name, "{path}");
        }
        let product = format!("/v1/products/{}", shop.product);
        let shown = app.anon().get(&product).await.expect(200);
        let section = &shown["courses"][0]["sections"][0];
        for named in [
            &shown,
            &shown["courses"][0],
            section,
            &section["lessons"][0],
        ] {
            assert_eq!(named["name"], name);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn several_faults_are_named_at_once() {
    let app = TestApp::start().await;
    let body = json!({
        "name": " ", "description": "D", "imageUrl": "x", "priceInCents": -1, "courseIds": [],
    });
    let reply = app.admin().post("/v1/admin/products", body).await;
    let problem = reply.expect_problem(422, "invalid");
    let errors = problem["errors"].as_array().unwrap().iter();
    let mut pointers: Vec<_> = errors
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/courseIds", "/imageUrl", "/name", "/priceInCents"]
    );
    app.finish().await;
}

#[tokio::test]
async fn text_of_any_script_comes_back_as_it_was_sent_but_trimmed() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let crabs = "🦀".repeat(200);
    let letters = "ß".repeat(200);
    for name in [
        "x",
        "שלום עולם, ברוכים הבאים",
        "مرحبا \u{202b}بالعالم\u{202c}!",
        "👩‍👩‍👧‍👦 e\u{301} Zürich 漢字",
        "O'Reilly; DROP TABLE \"courses\"; -- %s %00 \\u0000 {{7*7}} <b>",
        &crabs,
        &letters,
    ] {
        let body = json!({ "name": format!(" \u{a0}{name}\u{3000}\n"), "description": format!("{name}\r\n\t{name}") });
        let made = admin.post("/v1/admin/courses", body).await.expect(201);
        assert_eq!(made["name"], name);
        assert_eq!(made["description"], format!("{name}\r\n\t{name}"));
        let path = format!("/v1/admin/courses/{}", shop::id(&made));
        let changed = admin
            .change(&path, json!({ "description": "🦀".repeat(10_000) }))
            .await;
        assert_eq!(changed["description"], "🦀".repeat(10_000));
        assert_eq!(admin.get(&path).await.expect(200)["name"], name);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_nul_byte_is_refused_wherever_it_is() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for (path, status, code) in [
        ("/v1/products/%00".to_owned(), 404, "not-found"),
        (
            format!("/v1/products/{}%00", shop.product),
            404,
            "not-found",
        ),
        (
            format!("/v1/courses/{}/lessons/%00", shop.course),
            404,
            "not-found",
        ),
        ("/problems/not-found%00".to_owned(), 404, "not-found"),
        ("/v1%00/products".to_owned(), 404, "not-found"),
        ("/v1/products?cursor=%00".to_owned(), 400, "invalid-cursor"),
        ("/v1/products?sort=%00".to_owned(), 422, "invalid"),
        ("/v1/products?%00=1".to_owned(), 422, "invalid"),
        ("/v1/admin/courses?limit=%00".to_owned(), 422, "invalid"),
        (
            "/v1/me/purchases?cursor=%00".to_owned(),
            400,
            "invalid-cursor",
        ),
    ] {
        admin.get(&path).await.expect_problem(status, code);
    }
    let token = app.clerk.mint("user_\u{0}", &Default::default()).unwrap();
    let reply = app.with_token(&token).get("/v1/me").await;
    reply.expect_problem(401, "unauthenticated");
    for request in [
        &b"GET /v1/products HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\0b\r\nConnection: close\r\n\r\n"
            [..],
        b"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \0\r\nConnection: close\r\n\r\n",
        b"GET /v1/\0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /v1/products?cursor=\0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let answer = wire::send(&app.url, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_body_without_a_stated_length_is_cut_off_at_the_limit() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let request = admin
        .request(Method::POST, "/v1/admin/courses")
        .build()
        .unwrap();
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let head = format!(
        "POST /v1/admin/courses HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let body = " ".repeat(70_000);
    let chunked = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let answer = wire::send(&app.url, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("\"code\":\"payload-too-large\""),
        "{answer}"
    );
    app.finish().await;
}

/// A request that was refused while its caller waited for the database once kept its place in the queue for ever.
#[tokio::test]
async fn requests_that_are_refused_early_leave_their_places_to_others() {
    let app = TestApp::start().await;
    let learner = app.learner("one");
    learner.get("/v1/me").await.expect(200);
    // Every connection is busy, so that callers have to queue.
    let mut holder = app.db();
    holder.batch_execute("BEGIN; LOCK TABLE products").unwrap();
    let busy = join_all((0..6).map(|_| {
        let look = |conn: &mut PgConnection| Ok(products::table.count().get_result::<i64>(conn)?);
        app.state.db.read(look)
    }));
    let refused = async {
        app.waits_for_locks(6).await;
        let refused = join_all((0..20).map(|_| learner.get("/v1/admin/courses/no-id"))).await;
        holder.batch_execute("COMMIT").unwrap();
        refused
    };
    let (busy, refused) = join(busy, refused).await;
    assert!(busy.iter().all(Result::is_ok));
    for reply in refused {
        reply.expect_problem(404, "not-found");
    }
    for reply in join_all((0..6).map(|_| learner.get("/v1/me"))).await {
        reply.expect(200);
    }
    app.finish().await;
}

/// H: A11
#[tokio::test]
async fn a_table_that_somebody_holds_is_a_503_and_no_hang() {
    let app = TestApp::start().await;
    let mut other = app.db();
    diesel::sql_query("BEGIN").execute(&mut other).unwrap();
    diesel::sql_query("LOCK TABLE products")
        .execute(&mut other)
        .unwrap();
    let reply = app.anon().get("/v1/products").await;
    assert_eq!(reply.header("retry-after"), "1");
    reply.expect_problem(503, "database-unavailable");
    diesel::sql_query("ROLLBACK").execute(&mut other).unwrap();
    app.anon().get("/v1/products").await.expect(200);
    app.finish().await;
}

/// H: A11
#[tokio::test]
async fn a_full_disk_is_a_503() {
    let app = TestApp::start().await;
    // In the words of Postgres.
    for words in [
        r#"'could not write to file "base/pgsql_tmp/pgsql_tmp1.0": No space left on device'"#,
        r#"'could not extend file "base/1/2": wrote only 4096 of 8192 bytes at block 7' USING HINT = 'Check free disk space.'"#,
    ] {
        let full = format!(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE {words}; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION full_disk()"
        );
        app.db().batch_execute(&full).unwrap();
        let reply = app.learner("one").get("/v1/me").await;
        assert_eq!(reply.header("retry-after"), "1");
        reply.expect_problem(503, "database-unavailable");
        app.db()
            .batch_execute("DROP FUNCTION full_disk CASCADE")
            .unwrap();
    }
    app.learner("one").get("/v1/me").await.expect(200);
    app.finish().await;
}
