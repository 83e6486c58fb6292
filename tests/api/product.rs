//! Products: the catalogue, the public detail, the quote.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::lists::{NOBODY, names, next_page, outline, rows_of};
use crate::support::shop::{self, course, product};
use crate::support::{Client, Shop, TestApp};

/// Products of one course, made in this order.
async fn products(admin: &Client, course: &str, wanted: &[(&str, i32)]) {
    for (name, price) in wanted {
        product(admin, name, *price, &[course]).await;
    }
}

fn sorted(rows: &[Value], field: &str, descending: bool) -> Vec<(Value, String)> {
    let mut keys: Vec<_> = rows
        .iter()
        .map(|row| (row[field].clone(), shop::id(row)))
        .collect();
    keys.sort_by(|(a, a_id), (b, b_id)| {
        let by_key = match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_str().unwrap().cmp(b.as_str().unwrap()),
        };
        by_key.then_with(|| a_id.cmp(b_id))
    });
    if descending {
        keys.reverse();
    }
    keys
}

#[tokio::test]
async fn the_catalogue_is_walked_in_each_of_its_orders_with_ties_broken_by_id() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let wanted = [
        ("delta", 500),
        ("alpha", 900),
        ("charlie", 500),
        ("alpha", 0),
        ("bravo", 500),
    ];
    products(&admin, &course, &wanted).await;
    let anon = app.anon();
    let all = anon.walk("/v1/products?limit=100").await;
    let newest_first: Vec<_> = all.iter().map(|row| row["name"].clone()).collect();
    assert_eq!(
        newest_first,
        ["bravo", "alpha", "charlie", "alpha", "delta"]
    );
    for (sort, field, descending) in [
        ("name", "name", false),
        ("-name", "name", true),
        ("priceInCents", "priceInCents", false),
        ("-priceInCents", "priceInCents", true),
    ] {
        for limit in [1, 2, 5, 100] {
            let path = format!("/v1/products?sort={sort}&limit={limit}");
            let walked = anon.walk(&path).await;
            let walked: Vec<_> = walked
                .iter()
                .map(|row| (row[field].clone(), shop::id(row)))
                .collect();
            assert_eq!(walked, sorted(&all, field, descending), "{path}");
        }
    }
    let oldest_first = anon.walk("/v1/products?sort=createdAt&limit=2").await;
    assert!(oldest_first.iter().eq(all.iter().rev()));
    let explicit = anon.walk("/v1/products?sort=-createdAt&limit=2").await;
    assert_eq!(explicit, all);
    app.finish().await;
}

#[tokio::test]
async fn a_walk_meets_each_row_once_while_others_come_and_go() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    products(
        &admin,
        &course,
        &[("b", 1), ("d", 1), ("f", 1), ("h", 1), ("j", 1)],
    )
    .await;
    let anon = app.anon();
    let first = anon.get("/v1/products?sort=name&limit=2").await;
    let next = next_page(&first).expect("there is more");
    let first = rows_of(first);
    assert_eq!(names(&json!(first)), ["b", "d"]);
    // Behind the reader: one comes, and the very row at which the page ended goes. Before the reader: likewise.
    products(&admin, &course, &[("a", 1), ("c", 1), ("g", 1)]).await;
    let rest = anon.walk("/v1/products?sort=name").await;
    let h = rest.iter().find(|row| row["name"] == "h").unwrap();
    for gone in [&first[1], h] {
        let path = format!("/v1/admin/products/{}", shop::id(gone));
        admin.delete(&path).await.expect(204);
    }
    assert_eq!(names(&json!(anon.walk(&next).await)), ["f", "g", "j"]);
    app.finish().await;
}

#[tokio::test]
async fn the_catalogue_shows_public_products_only_and_can_be_narrowed_to_a_course() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let (rust, sql) = (course(&admin, "Rust").await, course(&admin, "SQL").await);
    product(&admin, "both", 1, &[&rust, &sql]).await;
    product(&admin, "rust", 1, &[&rust]).await;
    let hidden = product(&admin, "hidden", 1, &[&rust]).await;
    let gone = product(&admin, "gone", 1, &[&rust]).await;
    let path = format!("/v1/admin/products/{hidden}");
    admin.change(&path, json!({ "status": "private" })).await;
    let path = format!("/v1/admin/products/{gone}");
    admin.delete(&path).await.expect(204);
    for (course, wanted) in [
        (&rust, &["both", "rust"][..]),
        (&sql, &["both"]),
        (&NOBODY.to_owned(), &[]),
    ] {
        let path = format!("/v1/products?courseId={course}&sort=name&limit=1");
        assert_eq!(names(&json!(app.anon().walk(&path).await)), wanted);
    }
    assert_eq!(app.anon().walk("/v1/products").await.len(), 2);
    for id in [hidden.as_str(), &gone, NOBODY, "1", "%00"] {
        for path in [
            format!("/v1/products/{id}"),
            format!("/v1/products/{id}/quote"),
        ] {
            app.anon().get(&path).await.expect_problem(404, "not-found");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_query_parameter_that_cannot_be_accepted_is_named() {
    let app = TestApp::start().await;
    let anon = app.anon();
    for (query, parameter) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=256", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("sort=price", "sort"),
        ("sort=", "sort"),
        ("sort=name%00", "sort"),
        ("courseId=1", "courseId"),
        ("courseId=%00", "courseId"),
        ("page=2", "page"),
    ] {
        let problem = anon
            .get(&format!("/v1/products?{query}"))
            .await
            .expect_problem(422, "invalid");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
        assert_eq!(problem["errors"][0]["parameter"], parameter, "{query}");
    }
    for query in ["limit=1", "limit=100"] {
        anon.get(&format!("/v1/products?{query}")).await.expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_cursor_that_this_list_did_not_make_is_refused() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    shop::course(&admin, "Another").await;
    products(&admin, &course, &[("a", 1), ("b", 1), ("c", 1)]).await;
    let cursor = |page: Value| page["nextCursor"].as_str().unwrap().to_owned();
    let mut cursors = Vec::new();
    for path in [
        "/v1/products?limit=1&sort=-name",
        "/v1/products?limit=1&sort=priceInCents",
        "/v1/products?limit=1",
        "/v1/admin/products?limit=1",
        "/v1/admin/courses?limit=1",
    ] {
        cursors.push(cursor(admin.get(path).await.expect(200)));
    }
    let own = cursor(
        app.anon()
            .get("/v1/products?limit=1&sort=name")
            .await
            .expect(200),
    );
    let bytes = URL_SAFE_NO_PAD.decode(&own).unwrap();
    let tampered = |from: &str, to: &str| {
        let text = String::from_utf8(bytes[4..].to_owned()).unwrap();
        assert!(text.contains(from), "{text}");
        signed(&text.replace(from, to))
    };
    // One letter of it is another.
    cursors.extend((0..own.len()).map(|place| {
        let other = if own.as_bytes()[place] == b'A' {
            "B"
        } else {
            "A"
        };
        [&own[..place], other, &own[place + 1..]].concat()
    }));
    cursors.extend([
        tampered("\"a\"", "1"),
        tampered("\"a\"", "null"),
        tampered("\"a\"", r#""a\u0000""#),
        tampered("{", r#"{"x":1,"#),
        tampered("}", ""),
        signed("null"),
        URL_SAFE_NO_PAD.encode("null"),
        URL_SAFE_NO_PAD.encode([0xff, 0x00]),
        URL_SAFE_NO_PAD.encode(&bytes[4..]),
        format!("{own}="),
        own[..own.len() - 2].to_owned(),
        "%00".to_owned(),
        "0".to_owned(),
        String::new(),
    ]);
    for cursor in cursors {
        app.anon()
            .get(&format!("/v1/products?sort=name&cursor={cursor}"))
            .await
            .expect_problem(400, "invalid-cursor");
    }
    // Times that the database could not hold.
    let own = cursor_of(&app, "/v1/products?limit=1").await;
    for time in ["-262143-01-01T00:00:00Z", "+262142-12-31T23:59:59Z"] {
        let mut forged = own.clone();
        forged["k"] = json!(time);
        let cursor = signed(&forged.to_string());
        app.anon()
            .get(&format!("/v1/products?cursor={cursor}"))
            .await
            .expect_problem(400, "invalid-cursor");
    }
    app.finish().await;
}

/// What is inside a list's cursor.
async fn cursor_of(app: &TestApp, path: &str) -> Value {
    let page = app.anon().get(path).await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).unwrap()[4..]).unwrap()
}

/// A cursor that nobody changed on the way, whoever made it.
fn signed(json: &str) -> String {
    URL_SAFE_NO_PAD.encode([&Sha256::digest(json)[..4], json.as_bytes()].concat())
}

#[tokio::test]
async fn a_products_outline_has_names_of_public_parts_and_nothing_else() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let empty = course(&admin, "An empty course").await;
    let path = format!("/v1/admin/products/{}", shop.product);
    let ids = json!({ "courseIds": [shop.course, empty] });
    admin.change(&path, ids).await;
    let reply = app
        .anon()
        .get(&format!("/v1/products/{}", shop.product))
        .await;
    assert_eq!(
        reply.header("cache-control"),
        "public, max-age=60, stale-while-revalidate=300"
    );
    for hidden in ["Secret", "Hidden", "Draft", "dQw4w9WgXcQ", "youtube"] {
        assert!(
            !reply.text.contains(hidden),
            "{hidden} shows: {}",
            reply.text
        );
    }
    let detail = reply.expect(200);
    assert_eq!(detail["priceInCents"], 4900);
    assert_eq!(detail["currency"], "usd");
    assert_eq!(
        names(&detail["courses"]),
        ["An empty course", "Rust for the Web"]
    );
    let [bare, full] = [&detail["courses"][0], &detail["courses"][1]];
    assert_eq!(
        (&bare["sectionCount"], &bare["lessonCount"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(bare["sections"], json!([]));
    assert_eq!(
        (&full["sectionCount"], &full["lessonCount"]),
        (&json!(2), &json!(3))
    );
    assert_eq!(
        outline(full),
        json!([
            ["Basics", ["Welcome", "First steps"]],
            ["Practice", ["Exercise"]]
        ])
    );
    let lesson = &full["sections"][0]["lessons"][0];
    let wanted = json!({ "id": shop.welcome, "name": "Welcome", "status": "preview" });
    assert_eq!(*lesson, wanted);
    app.finish().await;
}

#[tokio::test]
async fn a_quote_says_the_price_to_anybody_and_to_a_caller_what_they_have() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let path = format!("/v1/products/{}/quote", shop.product);
    let anonymous = json!({
        "subtotalInCents": 4900, "percentOff": 0, "discountInCents": 0, "totalInCents": 4900,
        "currency": "usd", "country": null, "owned": false, "overlap": [],
    });
    let reply = app.anon().get(&path).await;
    assert_eq!(reply.header("cache-control"), "private, no-store");
    assert_eq!(reply.expect(200), anonymous);
    assert_eq!(app.learner("one").get(&path).await.expect(200), anonymous);
    app.with_token("not.a.token")
        .get(&path)
        .await
        .expect_problem(401, "unauthenticated");
    let buyer = app.learner("two");
    shop.buy(&app, &buyer).await;
    let quote = buyer.get(&path).await.expect(200);
    assert_eq!(quote["owned"], true);
    let course = json!([{ "id": shop.course, "name": "Rust for the Web" }]);
    assert_eq!(quote["overlap"], course);
    app.finish().await;
}

/// H: B6
#[tokio::test]
async fn a_bundle_of_which_a_part_is_owned_may_be_bought_and_its_quote_names_the_part() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let admin = app.admin();
    let sql = course(&admin, "SQL").await;
    let bundle = product(&admin, "Bundle", 9900, &[&sql, &shop.course]).await;
    let learner = app.learner("one");
    learner.claim(&shop.product).await;
    let path = format!("/v1/products/{bundle}/quote");
    let quote = learner.get(&path).await.expect(200);
    assert_eq!(quote["owned"], false);
    assert_eq!(quote["totalInCents"], 9900);
    let part = json!([{ "id": shop.course, "name": "Rust for the Web" }]);
    assert_eq!(quote["overlap"], part);
    shop::buy(&app, &learner, &bundle).await;
    let quote = learner.get(&path).await.expect(200);
    assert_eq!(quote["owned"], true);
    assert_eq!(names(&quote["overlap"]), ["Rust for the Web", "SQL"]);
    app.finish().await;
}
