//! Entity tags: what is known is not sent again, and nobody's change is lost.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::laws::{document, operations};
use crate::support::shop::{lesson, section};
use crate::support::{Client, Reply, Shop, TestApp};

async fn send_if(client: &Client, method: &str, path: &str, tag: &str, body: &Value) -> Reply {
    let request = client
        .request(Method::from_bytes(method.as_bytes()).unwrap(), path)
        .header("if-match", tag);
    client
        .send(if body.is_null() {
            request
        } else {
            request.json(body)
        })
        .await
}

async fn tag_of(client: &Client, path: &str) -> String {
    let reply = client.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    reply.header("etag").to_owned()
}

/// What an owner edits, with a change of each.
fn editable(shop: &Shop, user: &str) -> Vec<(String, Value, Value)> {
    let named = |name: &str| json!({ "name": name });
    vec![
        (
            format!("/v1/admin/courses/{}", shop.course),
            named("A"),
            named("B"),
        ),
        (
            format!("/v1/admin/sections/{}", shop.basics),
            named("A"),
            named("B"),
        ),
        (
            format!("/v1/admin/lessons/{}", shop.welcome),
            named("A"),
            named("B"),
        ),
        (
            format!("/v1/admin/products/{}", shop.product),
            named("A"),
            named("B"),
        ),
        (
            format!("/v1/admin/users/{user}"),
            json!({ "role": "admin" }),
            json!({ "role": "user" }),
        ),
    ]
}

async fn person(app: &TestApp) -> String {
    let me = app.learner("somebody").get("/v1/me").await.expect(200);
    me["id"].as_str().unwrap().to_owned()
}

/// H: G9
#[tokio::test]
async fn of_two_who_edit_one_row_the_second_is_told_that_it_has_changed() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for (path, first, second) in editable(&shop, &person(&app).await) {
        let read = tag_of(&admin, &path).await;
        let changed = send_if(&admin, "PATCH", &path, &read, &first).await;
        let current = changed.header("etag").to_owned();
        changed.expect(200);
        let stale = send_if(&admin, "PATCH", &path, &read, &second).await;
        stale.expect_problem(412, "precondition-failed");
        // The tag of the change is as good as that of a fresh read.
        send_if(&admin, "PATCH", &path, &current, &second)
            .await
            .expect(200);
        let read = tag_of(&admin, &path).await;
        send_if(&admin, "PATCH", &path, &read, &first)
            .await
            .expect(200);
        // Without the condition nothing is asked.
        admin.change(&path, second).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn what_is_deleted_is_not_there_whatever_the_condition() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let mut paths = editable(&shop, "");
    paths.truncate(4);
    // From the inside out.
    paths.reverse();
    for (path, change, _) in paths {
        let read = tag_of(&admin, &path).await;
        let delete = async || send_if(&admin, "DELETE", &path, &read, &Value::Null).await;
        assert_eq!(delete().await.status, 204, "{path}");
        delete().await.expect_problem(404, "not-found");
        let patched = send_if(&admin, "PATCH", &path, &read, &change).await;
        patched.expect_problem(404, "not-found");
    }
    app.finish().await;
}

/// H: G9
#[tokio::test]
async fn of_twenty_edits_at_once_from_one_state_one_is_made() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for (path, ..) in editable(&shop, "").into_iter().take(4) {
        let read = tag_of(&admin, &path).await;
        let bodies: Vec<_> = (0..20)
            .map(|n| json!({ "name": format!("Edit {n}") }))
            .collect();
        let edits = bodies
            .iter()
            .map(|body| send_if(&admin, "PATCH", &path, &read, body));
        let statuses: Vec<_> = join_all(edits)
            .await
            .iter()
            .map(|reply| reply.status.as_u16())
            .collect();
        assert_eq!(
            statuses.iter().filter(|&&status| status == 200).count(),
            1,
            "{path}"
        );
        assert_eq!(
            statuses.iter().filter(|&&status| status == 412).count(),
            19,
            "{path}"
        );
    }
    app.finish().await;
}

/// H: G9
#[tokio::test]
async fn lists_of_children_belong_to_the_version_of_their_parent() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let course = format!("/v1/admin/courses/{}", shop.course);
    let basics = format!("/v1/admin/sections/{}", shop.basics);
    let product = format!("/v1/admin/products/{}", shop.product);
    let order = |ids: &[&String]| json!({ "ids": ids });

    let read = tag_of(&admin, &course).await;
    let path = format!("{course}/sections/order");
    let turned = order(&[&shop.practice, &shop.secret, &shop.basics]);
    let ordered = send_if(&admin, "PUT", &path, &read, &turned).await;
    let current = ordered.header("etag").to_owned();
    ordered.expect(200);
    let back = order(&[&shop.basics, &shop.secret, &shop.practice]);
    let stale = send_if(&admin, "PUT", &path, &read, &back).await;
    stale.expect_problem(412, "precondition-failed");
    send_if(&admin, "PUT", &path, &current, &back)
        .await
        .expect(200);

    let read = tag_of(&admin, &basics).await;
    let path = format!("{basics}/lessons/order");
    let turned = order(&[&shop.draft, &shop.first_steps, &shop.welcome]);
    send_if(&admin, "PUT", &path, &read, &turned)
        .await
        .expect(200);
    let stale = send_if(&admin, "PUT", &path, &read, &turned).await;
    stale.expect_problem(412, "precondition-failed");
    // A lesson that comes or goes.
    let read = tag_of(&admin, &basics).await;
    let added = lesson(&admin, &shop.basics, "New", "public").await;
    assert_ne!(tag_of(&admin, &basics).await, read);
    let read = tag_of(&admin, &basics).await;
    let moved = json!({ "sectionId": shop.practice });
    admin
        .change(&format!("/v1/admin/lessons/{added}"), moved)
        .await;
    let stale = send_if(&admin, "PATCH", &basics, &read, &json!({ "name": "N" })).await;
    stale.expect_problem(412, "precondition-failed");
    // A section that comes.
    let read = tag_of(&admin, &course).await;
    section(&admin, &shop.course, "New", "public").await;
    let stale = send_if(&admin, "DELETE", &course, &read, &Value::Null).await;
    stale.expect_problem(412, "precondition-failed");

    let read = tag_of(&admin, &product).await;
    let other = crate::support::shop::course(&admin, "Other").await;
    let courses = json!({ "courseIds": [other] });
    send_if(&admin, "PATCH", &product, &read, &courses)
        .await
        .expect(200);
    let stale = send_if(&admin, "PATCH", &product, &read, &courses).await;
    stale.expect_problem(412, "precondition-failed");

    let tiers = "/v1/admin/pricing/tiers";
    let read = tag_of(&admin, tiers).await;
    let some = json!({ "data": [{ "percentOff": 50, "countries": ["IN"] }] });
    send_if(&admin, "PUT", tiers, &read, &some)
        .await
        .expect(200);
    let stale = send_if(&admin, "PUT", tiers, &read, &some).await;
    stale.expect_problem(412, "precondition-failed");
    app.finish().await;
}

#[tokio::test]
async fn a_sale_changes_the_body_but_does_not_stand_in_the_way_of_an_edit() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for (n, (path, _, change)) in editable(&shop, "").into_iter().take(4).enumerate() {
        let read = tag_of(&admin, &path).await;
        let counted = path.contains("courses") || path.contains("products");
        let buyer = app.learner(&format!("buyer-{n}"));
        shop.buy(&app, &buyer).await;
        assert_eq!(tag_of(&admin, &path).await != read, counted, "{path}");
        let known = admin.get_with(&path, "if-none-match", &read).await;
        assert_eq!(known.status == 200, counted, "{path}");
        send_if(&admin, "PATCH", &path, &read, &change)
            .await
            .expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn conditions_of_a_change_are_read_as_rfc_9110_says() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let path = format!("/v1/admin/courses/{}", shop.course);
    let change = json!({ "name": "N" });
    let tag = tag_of(&admin, &path).await;
    let gzip = tag.replacen("\"", "", 1).replace('"', "-gzip\"");
    for condition in [
        "*".to_owned(),
        tag.clone(),
        format!("\"other\", {tag}"),
        format!("\"a,b\",{tag}"),
        format!("\"{gzip}"),
    ] {
        // An empty change keeps the version.
        let reply = send_if(&admin, "PATCH", &path, &condition, &json!({})).await;
        assert_eq!(reply.status, 200, "{condition}");
    }
    for condition in [
        "\"\"".to_owned(),
        format!("W/{tag}"),
        "\"other\"".to_owned(),
        tag.trim_matches('"').to_owned(),
        "*, \"a\"".to_owned(),
        String::new(),
    ] {
        let reply = send_if(&admin, "PATCH", &path, &condition, &change).await;
        reply.expect_problem(412, "precondition-failed");
    }
    // If-None-Match: nothing may be there, or nothing of this version.
    for condition in ["*".to_owned(), tag.clone(), format!("W/{tag}")] {
        let request = admin.request(Method::PATCH, &path).json(&change);
        let reply = admin
            .send(request.header("if-none-match", &condition))
            .await;
        reply.expect_problem(412, "precondition-failed");
    }
    // Of two conditions both have to hold; these two cannot.
    for (unless, status) in [(tag.as_str(), 412), ("\"other\"", 200)] {
        let request = admin.request(Method::PATCH, &path).json(&json!({}));
        let request = request
            .header("if-match", &tag)
            .header("if-none-match", unless);
        assert_eq!(admin.send(request).await.status, status, "{unless}");
    }
    // What is not there is not found, whatever the condition; what is malformed is so first.
    let nowhere = format!("/v1/admin/courses/{}", crate::support::lists::NOBODY);
    let reply = send_if(&admin, "PATCH", &nowhere, "*", &change).await;
    reply.expect_problem(404, "not-found");
    let reply = send_if(&admin, "PATCH", &path, "\"other\"", &json!({ "name": 1 })).await;
    reply.expect_problem(422, "invalid");
    // A change that was refused for its condition is in nobody's log.
    let log = admin.get("/v1/admin/audit-log?limit=1").await.expect(200);
    assert_ne!(log["data"][0]["after"]["name"], "N");
    let deleted = send_if(&admin, "DELETE", &path, "\"other\"", &Value::Null).await;
    deleted.expect_problem(412, "precondition-failed");
    app.finish().await;
}

/// It has no version, so its tag is of the body alone.
#[tokio::test]
async fn an_account_is_not_deleted_that_is_no_longer_as_it_was_read() {
    let app = TestApp::start().await;
    let learner = app.learner("one");
    let tag = tag_of(&learner, "/v1/me").await;
    let delete = |tag: &str| {
        let request = learner.request(Method::DELETE, "/v1/me");
        learner.send(request.header("if-match", tag))
    };
    let stale = delete("\"stale\"").await;
    stale.expect_problem(412, "precondition-failed");
    learner.get("/v1/me").await.expect(200);
    delete(&tag).await.expect(202);
    app.finish_with_work_left().await;
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (anon, learner, admin) = (app.anon(), app.learner("one"), app.admin());
    shop.buy(&app, &learner).await;
    for (client, path) in [
        (&anon, "/v1/products".to_owned()),
        (&anon, "/v1/products?limit=1&sort=name".to_owned()),
        (&anon, format!("/v1/products/{}", shop.product)),
        (&anon, shop.lesson_path(&shop.welcome)),
        (&learner, format!("/v1/courses/{}", shop.course)),
        (&learner, "/v1/me/courses".to_owned()),
        (&admin, format!("/v1/admin/courses/{}", shop.course)),
        (&anon, "/openapi.json".to_owned()),
        (&anon, "/problems/not-found".to_owned()),
    ] {
        let full = client.get(&path).await;
        let tag = full.header("etag").to_owned();
        assert!(
            tag.starts_with('"') && tag.ends_with('"'),
            "a strong tag: {tag}"
        );
        for condition in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let request = client
                    .request(method, &path)
                    .header("if-none-match", &condition);
                let known = client.send(request).await;
                assert_eq!(known.status, 304, "{path} {condition}");
                assert_eq!(known.text, "");
                for header in ["etag", "cache-control", "vary"] {
                    assert_eq!(known.header(header), full.header(header), "{path}");
                }
            }
        }
        let other = client.get_with(&path, "if-none-match", "\"x\"").await;
        assert_eq!((other.status.as_u16(), &other.text), (200, &full.text));
        let head = client.send(client.request(Method::HEAD, &path)).await;
        assert_eq!(head.header("etag"), tag, "{path}");
        // RFC 9110, section 13.2.2: If-Match comes first.
        let request = client
            .request(Method::GET, &path)
            .header("if-none-match", &tag);
        let both = client.send(request.header("if-match", "\"x\"")).await;
        both.expect_problem(412, "precondition-failed");
        let same = client.get_with(&path, "if-match", &tag).await;
        assert_eq!(same.status, 200, "{path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_tag_changes_with_every_part_of_its_body() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (anon, admin) = (app.anon(), app.admin());
    let path = format!("/v1/products/{}", shop.product);
    let mut seen = BTreeSet::from([tag_of(&anon, &path).await]);
    let list = tag_of(&anon, "/v1/products").await;
    for (kind, id, change) in [
        ("products", &shop.product, json!({ "priceInCents": 5000 })),
        ("courses", &shop.course, json!({ "name": "Renamed" })),
        ("sections", &shop.basics, json!({ "name": "Renamed" })),
        ("lessons", &shop.welcome, json!({ "name": "Renamed" })),
        ("lessons", &shop.draft, json!({ "status": "public" })),
        ("sections", &shop.secret, json!({ "status": "public" })),
    ] {
        admin
            .change(&format!("/v1/admin/{kind}/{id}"), change)
            .await;
        assert!(seen.insert(tag_of(&anon, &path).await), "{kind}");
    }
    assert_ne!(tag_of(&anon, "/v1/products").await, list);
    // Who asks makes no difference to what everybody may see.
    let mine = tag_of(&app.learner("one"), &path).await;
    assert_eq!(mine, tag_of(&anon, &path).await);
    app.finish().await;
}

#[tokio::test]
async fn a_compressed_body_has_a_tag_of_its_own() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let mut tags = BTreeSet::new();
    for coding in ["identity", "gzip", "br"] {
        let reply = anon.get_with("/problems", "accept-encoding", coding).await;
        let vary = reply.headers.get_all("vary").iter();
        let vary: Vec<_> = vary
            .map(|vary| vary.to_str().unwrap().to_ascii_lowercase())
            .collect();
        let named = vary.iter().filter(|vary| vary.contains("accept-encoding"));
        assert_eq!(named.count(), 1, "{coding}: {vary:?}");
        assert_eq!(
            reply
                .headers
                .get("content-encoding")
                .map(|coding| coding.to_str().unwrap()),
            (coding != "identity").then_some(coding)
        );
        let tag = reply.header("etag").to_owned();
        let request = anon.request(Method::GET, "/problems");
        let request = request
            .header("accept-encoding", coding)
            .header("if-none-match", &tag);
        let known = anon.send(request).await;
        assert_eq!(
            (known.status.as_u16(), known.header("etag")),
            (304, tag.as_str())
        );
        tags.insert(tag);
    }
    assert_eq!(tags.len(), 3, "{tags:?}");
    app.finish().await;
}

#[tokio::test]
async fn the_document_tells_which_operations_have_conditions() {
    let app = TestApp::start().await;
    for (path, method, operation) in operations(&document(&app).await) {
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        let is_probe = path == "/healthz" || path == "/readyz" || path == "/metrics";
        assert_eq!(
            has("If-None-Match"),
            method == "GET" && !is_probe,
            "{method} {path}"
        );
        let honours_keys =
            method == "POST" && path.starts_with("/v1/") && !path.contains("webhooks/");
        assert_eq!(has("Idempotency-Key"), honours_keys, "{method} {path}");
        if method == "PATCH" {
            assert!(has("If-Match"), "{path}");
        }
        let answers = operation["responses"].as_object().unwrap();
        assert_eq!(
            answers.contains_key("412"),
            has("If-Match"),
            "{method} {path}"
        );
    }
    app.finish().await;
}
