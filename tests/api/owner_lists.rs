//! The owner's lists of courses and products: searched, filtered, sorted, and walked page by page.

use serde_json::{Value, json};

use crate::support::lists::{NOBODY, names};
use crate::support::shop::{course, id, product};
use crate::support::{Client, TestApp};

const COURSES: &str = "/v1/admin/courses";
const PRODUCTS: &str = "/v1/admin/products";

/// The names on all pages of a list, three rows at a time.
async fn walked(admin: &Client, list: &str, query: &str) -> Vec<String> {
    names(&json!(admin.walk(&format!("{list}?limit=3&{query}")).await))
}

/// Courses "Postgres", "Rust", "Sourdough" and, deleted, "Piano"; a product of each, and a private one of the first two.
async fn fill(app: &TestApp) -> (Vec<String>, Vec<String>) {
    let admin = app.admin();
    let (mut courses, mut products) = (Vec::new(), Vec::new());
    for (name, price) in [
        ("Postgres", 300),
        ("Rust", 100),
        ("Sourdough", 0),
        ("Piano", 200),
    ] {
        let course = course(&admin, name).await;
        products.push(product(&admin, &format!("{name} at home"), price, &[&course]).await);
        courses.push(course);
    }
    let body = json!({
        "name": "Bundle", "description": "Two for less.", "imageUrl": "/b.png", "priceInCents": 300,
        "courseIds": [courses[0], courses[1]],
    });
    products.push(id(&admin.post(PRODUCTS, body).await.expect(201)));
    for path in [
        format!("{PRODUCTS}/{}", products[3]),
        format!("{COURSES}/{}", courses[3]),
    ] {
        admin.delete(&path).await.expect(204);
    }
    (courses, products)
}

#[tokio::test]
async fn courses_are_searched_filtered_and_sorted() {
    let app = TestApp::start().await;
    let (_, products) = fill(&app).await;
    let admin = app.admin();
    for (query, found) in [
        ("", vec!["Sourdough", "Rust", "Postgres"]),
        ("sort=createdAt", vec!["Postgres", "Rust", "Sourdough"]),
        ("sort=name", vec!["Postgres", "Rust", "Sourdough"]),
        (
            "sort=-name&deleted=include",
            vec!["Sourdough", "Rust", "Postgres", "Piano"],
        ),
        ("deleted=only", vec!["Piano"]),
        ("q=post", vec!["Postgres"]),
        ("q=postgers", vec!["Postgres"]),
        ("q=piano", vec![]),
        ("q=piano&deleted=include", vec!["Piano"]),
        (
            "q=first%20handler&sort=name",
            vec!["Postgres", "Rust", "Sourdough"],
        ),
        ("q=rust%20sourdough", vec![]),
        (
            &format!("productId={}&sort=name", products[4]),
            vec!["Postgres", "Rust"],
        ),
        (&format!("productId={}&q=rust", products[4]), vec!["Rust"]),
        (&format!("productId={NOBODY}"), vec![]),
    ] {
        assert_eq!(walked(&admin, COURSES, query).await, found, "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn products_are_searched_filtered_and_sorted() {
    let app = TestApp::start().await;
    let (courses, _) = fill(&app).await;
    let admin = app.admin();
    let short = |names: Vec<String>| -> Vec<String> {
        let first = |name: String| name.split(' ').next().unwrap().to_owned();
        names.into_iter().map(first).collect()
    };
    for (query, found) in [
        ("", vec!["Bundle", "Sourdough", "Rust", "Postgres"]),
        ("sort=name", vec!["Bundle", "Postgres", "Rust", "Sourdough"]),
        (
            "sort=-createdAt&deleted=include",
            vec!["Bundle", "Piano", "Sourdough", "Rust", "Postgres"],
        ),
        ("deleted=only&sort=priceInCents", vec!["Piano"]),
        ("status=private", vec!["Bundle"]),
        (
            "status=public&sort=priceInCents",
            vec!["Sourdough", "Rust", "Postgres"],
        ),
        (
            "status=public&sort=-priceInCents&deleted=include",
            vec!["Postgres", "Piano", "Rust", "Sourdough"],
        ),
        ("q=bundel", vec!["Bundle"]),
        ("q=two%20less", vec!["Bundle"]),
        ("q=piano", vec![]),
        ("q=piano&deleted=only", vec!["Piano"]),
        ("q=home&status=private", vec![]),
        (
            &format!("courseId={}&sort=name", courses[0]),
            vec!["Bundle", "Postgres"],
        ),
        (
            &format!("courseId={}&status=public", courses[0]),
            vec!["Postgres"],
        ),
        (&format!("courseId={NOBODY}"), vec![]),
    ] {
        assert_eq!(
            short(walked(&admin, PRODUCTS, query).await),
            found,
            "{query}"
        );
    }
    app.finish().await;
}

#[tokio::test]
async fn pages_of_equal_names_and_prices_leave_nothing_out_in_any_order() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let mut ids = Vec::new();
    for _ in 0..7 {
        let course = course(&admin, "Same").await;
        product(&admin, "Same", 100, &[&course]).await;
        ids.push(course);
    }
    ids.sort();
    for list in [COURSES, PRODUCTS] {
        let sorts = ["name", "-name", "createdAt", "-createdAt"].into_iter();
        let price = ["priceInCents", "-priceInCents"];
        for sort in sorts.chain(price.into_iter().filter(|_| list == PRODUCTS)) {
            let rows = admin.walk(&format!("{list}?limit=2&sort={sort}")).await;
            let mut walked: Vec<String> = rows.iter().map(id).collect();
            walked.sort();
            walked.dedup();
            assert_eq!(walked.len(), 7, "{list} {sort}");
            assert!(list == PRODUCTS || walked == ids);
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_its_order() {
    let app = TestApp::start().await;
    fill(&app).await;
    let admin = app.admin();
    for (list, others) in [
        (
            "/v1/admin/products?sort=name",
            [
                "/v1/admin/products?sort=-name",
                "/v1/products?sort=name",
                "/v1/admin/courses?sort=name",
            ],
        ),
        (
            "/v1/admin/courses?",
            [
                "/v1/admin/products?",
                "/v1/admin/courses?sort=createdAt",
                "/v1/products?",
            ],
        ),
    ] {
        let page = admin.get(&format!("{list}&limit=1")).await.expect(200);
        let cursor = page["nextCursor"].as_str().unwrap();
        admin
            .get(&format!("{list}&cursor={cursor}"))
            .await
            .expect(200);
        for other in others {
            let reply = admin.get(&format!("{other}&cursor={cursor}")).await;
            reply.expect_problem(400, "invalid-cursor");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn a_filter_that_means_nothing_is_named() {
    let app = TestApp::start().await;
    let admin = app.admin();
    for (list, parameter, values) in [
        (COURSES, "sort", vec!["priceInCents", "Name", ""]),
        (COURSES, "productId", vec!["1", ""]),
        (COURSES, "status", vec!["public"]),
        (PRODUCTS, "status", vec!["deleted", ""]),
        (PRODUCTS, "courseId", vec!["x"]),
        (PRODUCTS, "sort", vec!["price"]),
        (PRODUCTS, "q", vec!["", "%20", "a%00b"]),
        (COURSES, "q", vec!["", "%0A"]),
        (COURSES, "deleted", vec!["yes"]),
    ] {
        for value in values {
            let reply = admin.get(&format!("{list}?{parameter}={value}")).await;
            let problem: Value = reply.expect_problem(422, "invalid");
            assert_eq!(problem["errors"][0]["parameter"], parameter, "{problem}");
        }
    }
    app.finish().await;
}
