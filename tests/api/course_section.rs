//! Sections of a course, the owner's side.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::support::TestApp;
use crate::support::lists::{NOBODY, names, outline};
use crate::support::shop::{self, course, lesson, section};

#[tokio::test]
async fn a_section_is_made_changed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let sections = format!("/v1/admin/courses/{course}/sections");
    let reply = admin.post(&sections, json!({ "name": " First " })).await;
    let path = reply.header("location").to_owned();
    let made = reply.expect(201);
    assert_eq!(path, format!("/v1/admin/sections/{}", shop::id(&made)));
    assert_eq!(made["name"], "First");
    assert_eq!(made["status"], "private", "hidden unless said otherwise");
    assert_eq!(made["order"], 0);
    assert_eq!(made["courseId"], course);
    let changed = admin.change(&path, json!({ "status": "public" })).await;
    assert_eq!(changed["name"], "First");
    assert_eq!(changed["status"], "public");
    assert_eq!(admin.change(&path, json!({})).await, changed);
    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.expect_problem(404, "not-found");
    assert!(admin.get(&path).await.expect(200)["deletedAt"].is_string());
    for change in [json!({}), json!({ "name": "Again" })] {
        let reply = admin.patch(&path, change).await;
        reply.expect_problem(404, "not-found");
    }
    let nowhere = format!("/v1/admin/courses/{NOBODY}/sections");
    let reply = admin.post(&nowhere, json!({ "name": "Lost" })).await;
    reply.expect_problem(404, "not-found");
    app.finish().await;
}

#[tokio::test]
async fn sections_are_numbered_without_gaps_and_a_deleted_one_takes_its_lessons_along() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        ids.push(section(&admin, &course, name, "public").await);
    }
    let inside = lesson(&admin, &ids[1], "inside", "public").await;
    let path = format!("/v1/admin/sections/{}", ids[1]);
    admin.delete(&path).await.expect(204);
    let inside = format!("/v1/admin/lessons/{inside}");
    admin
        .patch(&inside, json!({ "name": "New" }))
        .await
        .expect_problem(404, "not-found");
    let four = section(&admin, &course, "four", "public").await;
    for (order, id) in [&ids[0], &ids[2], &four].into_iter().enumerate() {
        let path = format!("/v1/admin/sections/{id}");
        assert_eq!(admin.get(&path).await.expect(200)["order"], order);
    }
    let detail = admin
        .get(&format!("/v1/admin/courses/{course}"))
        .await
        .expect(200);
    assert_eq!(
        outline(&detail),
        json!([["one", []], ["three", []], ["four", []]])
    );
    app.finish().await;
}

/// H: G2
#[tokio::test]
async fn sections_and_lessons_added_at_once_all_get_a_place_of_their_own() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let added: Vec<_> = (0..20).map(|n| format!("section {n}")).collect();
    join_all(
        added
            .iter()
            .map(|name| section(&admin, &course, name, "public")),
    )
    .await;
    let path = format!("/v1/admin/courses/{course}");
    let detail = admin.get(&path).await.expect(200);
    let shown: BTreeSet<_> = names(&detail["sections"]).into_iter().collect();
    assert_eq!(shown, added.into_iter().collect());
    let first = shop::id(&detail["sections"][0]);
    let added: Vec<_> = (0..20).map(|n| format!("lesson {n}")).collect();
    join_all(
        added
            .iter()
            .map(|name| lesson(&admin, &first, name, "public")),
    )
    .await;
    let detail = admin
        .get(&format!("/v1/admin/sections/{first}"))
        .await
        .expect(200);
    let orders = detail["lessons"].as_array().unwrap().iter();
    assert!(
        orders
            .map(|lesson| &lesson["order"])
            .eq((0..20).collect::<Vec<_>>().iter())
    );
    let shown: BTreeSet<_> = names(&detail["lessons"]).into_iter().collect();
    assert_eq!(shown, added.into_iter().collect());
    app.finish().await;
}
