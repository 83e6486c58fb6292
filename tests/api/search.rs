//! Finding products.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::shop::{course, product};

fn names(list: &Value) -> Vec<&str> {
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_search_finds_words_their_beginnings_and_names_that_were_mistyped() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    for name in [
        "Postgres in Production",
        "Rust for the Web",
        "Sourdough, Patiently",
        "Música 🎵 Theory",
    ] {
        product(&admin, name, 1000, &[&course]).await;
    }
    let hidden = product(&admin, "Postgres, Secret", 1000, &[&course]).await;
    admin
        .patch(
            &format!("/v1/admin/products/{hidden}"),
            json!({ "status": "private" }),
        )
        .await
        .expect(200);
    for (q, found) in [
        ("postgres", vec!["Postgres in Production"]),
        ("POST", vec!["Postgres in Production"]),
        ("postgers", vec!["Postgres in Production"]),
        ("prod%20postg", vec!["Postgres in Production"]),
        ("rust%20sourdough", vec![]),
        ("web%3A*%20%26%20!rust", vec!["Rust for the Web"]),
        ("m%C3%BAsica", vec!["Música 🎵 Theory"]),
        ("sourdugh", vec!["Sourdough, Patiently"]),
        // Every description says "All you need."
        (
            "need",
            vec![
                "Postgres in Production",
                "Rust for the Web",
                "Sourdough, Patiently",
                "Música 🎵 Theory",
            ],
        ),
        ("%F0%9F%8E%B5", vec![]),
        ("'%22%5C%20(%20%7C", vec![]),
        ("zzz", vec![]),
    ] {
        let list = app
            .anon()
            .get(&format!("/v1/products?sort=createdAt&q={q}"))
            .await
            .expect(200);
        assert_eq!(names(&list), found, "{q}");
    }
    let empty = app
        .anon()
        .get("/v1/products?q=%20")
        .await
        .expect_problem(422, "invalid");
    assert_eq!(empty["errors"][0]["parameter"], "q");
    app.anon()
        .get(&format!("/v1/products?q={}", "x".repeat(101)))
        .await
        .expect_problem(422, "invalid");
    app.finish().await;
}
