//! Who changed what.

use serde_json::json;

use crate::support::{Shop, TestApp};

#[tokio::test]
async fn every_change_of_an_admin_is_written_down_with_before_and_after() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let me = admin.get("/v1/me").await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/admin/products/{}", shop.product);
    let reply = admin.patch(&path, json!({ "priceInCents": 5900 })).await;
    let request_id = reply.header("x-request-id").to_owned();
    reply.expect(200);
    admin.delete(&path).await.expect(204);

    let log = admin
        .get(&format!("/v1/admin/audit-log?entityId={}", shop.product))
        .await
        .expect(200);
    let entries = log["data"].as_array().unwrap();
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry["entity"].as_str().unwrap(),
                entry["action"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("product", "update"),
            ("product", "update"),
            ("course_product", "create"),
            ("product", "create")
        ]
    );
    assert!(entries[0]["after"]["deleted_at"].is_string());
    assert_eq!(entries[1]["requestId"], request_id);
    assert_eq!(entries[1]["actorId"], me);
    assert_eq!(
        (
            &entries[1]["before"]["price_in_cents"],
            &entries[1]["after"]["price_in_cents"]
        ),
        (&json!(4900), &json!(5900))
    );
    assert_eq!(entries[3]["before"], json!(null));

    for (query, count) in [
        (format!("actorId={me}&entity=lesson"), 5),
        ("entity=course".to_owned(), 1),
        ("entity=nothing".to_owned(), 0),
        ("to=2020-01-01T00:00:00Z".to_owned(), 0),
        ("actorId=00000000-0000-4000-8000-000000000000".to_owned(), 0),
    ] {
        let log = admin
            .get(&format!("/v1/admin/audit-log?{query}"))
            .await
            .expect(200);
        assert_eq!(log["data"].as_array().unwrap().len(), count, "{query}");
    }
    app.finish().await;
}

#[tokio::test]
async fn what_changes_nothing_and_what_learners_do_is_not_written_down() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let before = app.count("audit_log");
    admin
        .patch(
            &format!("/v1/admin/products/{}", shop.product),
            json!({ "priceInCents": 4900 }),
        )
        .await
        .expect(200);
    admin
        .patch(&format!("/v1/admin/courses/{}", shop.course), json!({}))
        .await
        .expect(200);
    shop.buy(&app, &learner).await;
    learner
        .put(&format!("/v1/me/lessons/{}/completion", shop.welcome))
        .await
        .expect(204);
    assert_eq!(app.count("audit_log"), before);
    app.finish().await;
}

#[tokio::test]
async fn a_refused_change_leaves_no_trace() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let before = app.count("audit_log");
    let body = json!({ "name": "New", "courseIds": ["00000000-0000-4000-8000-000000000000"] });
    admin
        .patch(&format!("/v1/admin/products/{}", shop.product), body)
        .await
        .expect_invalid("/courseIds/0");
    admin
        .delete(&format!("/v1/admin/courses/{}", shop.course))
        .await
        .expect_problem(409, "course-in-use");
    assert_eq!(app.count("audit_log"), before);
    app.finish().await;
}
