//! Ordering siblings.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::shop::{course, id, lesson, section};
use crate::support::{Client, Reply, TestApp};

async fn reorder(admin: &Client, path: &str, ids: &[&str]) -> Reply {
    admin
        .send(
            admin
                .request(Method::PUT, path)
                .json(&json!({ "ids": ids })),
        )
        .await
}

fn names(rows: &Value) -> Vec<&str> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect()
}

fn orders(rows: &Value) -> Vec<i64> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["order"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_full_list_orders_sections_and_lessons() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let a = section(&admin, &course, "A", "public").await;
    let b = section(&admin, &course, "B", "public").await;
    let c = section(&admin, &course, "C", "public").await;
    let path = format!("/v1/admin/courses/{course}/sections/order");
    let ordered = reorder(&admin, &path, &[&c, &a, &b]).await.expect(200);
    assert_eq!(names(&ordered["data"]), ["C", "A", "B"]);
    assert_eq!(orders(&ordered["data"]), [0, 1, 2]);
    let detail = admin
        .get(&format!("/v1/admin/courses/{course}"))
        .await
        .expect(200);
    assert_eq!(names(&detail["sections"]), ["C", "A", "B"]);

    let one = lesson(&admin, &a, "One", "public").await;
    let two = lesson(&admin, &a, "Two", "public").await;
    let path = format!("/v1/admin/sections/{a}/lessons/order");
    let ordered = reorder(&admin, &path, &[&two, &one]).await.expect(200);
    assert_eq!(names(&ordered["data"]), ["Two", "One"]);
    app.finish().await;
}

/// H: G2
#[tokio::test]
async fn an_order_that_is_no_permutation_changes_nothing() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course_id = course(&admin, "Course").await;
    let a = section(&admin, &course_id, "A", "public").await;
    let b = section(&admin, &course_id, "B", "public").await;
    let elsewhere = section(&admin, &course(&admin, "Other").await, "Foreign", "public").await;
    let deleted = section(&admin, &course_id, "Deleted", "public").await;
    admin
        .delete(&format!("/v1/admin/sections/{deleted}"))
        .await
        .expect(204);
    let path = format!("/v1/admin/courses/{course_id}/sections/order");
    for (ids, pointer) in [
        (vec![b.as_str()], "/ids"),
        (vec![], "/ids"),
        (vec![&b, &a, &elsewhere], "/ids/2"),
        (vec![&b, &a, &deleted], "/ids/2"),
        (vec![&b, &b], "/ids/1"),
    ] {
        reorder(&admin, &path, &ids).await.expect_invalid(pointer);
    }
    let detail = admin
        .get(&format!("/v1/admin/courses/{course_id}"))
        .await
        .expect(200);
    assert_eq!(names(&detail["sections"]), ["A", "B"]);
    app.finish().await;
}

/// H: G2
#[tokio::test]
async fn lessons_are_ordered_by_a_permutation_of_theirs_or_not_at_all() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let part = section(&admin, &course, "Part", "public").await;
    let other = section(&admin, &course, "Other", "public").await;
    let one = lesson(&admin, &part, "One", "public").await;
    let two = lesson(&admin, &part, "Two", "private").await;
    let elsewhere = lesson(&admin, &other, "Elsewhere", "public").await;
    let deleted = lesson(&admin, &part, "Deleted", "public").await;
    let path = format!("/v1/admin/lessons/{deleted}");
    admin.delete(&path).await.expect(204);
    let path = format!("/v1/admin/sections/{part}/lessons/order");
    for (ids, pointer) in [
        (vec![two.as_str()], "/ids"),
        (vec![], "/ids"),
        (vec![&two, &one, &elsewhere], "/ids/2"),
        (vec![&two, &deleted, &one], "/ids/1"),
        (vec![&two, &two], "/ids/1"),
        (vec![&part, &one, &two], "/ids/0"),
    ] {
        reorder(&admin, &path, &ids).await.expect_invalid(pointer);
    }
    let shown = admin.get(&format!("/v1/admin/sections/{part}")).await;
    assert_eq!(names(&shown.expect(200)["lessons"]), ["One", "Two"]);
    app.finish().await;
}

/// H: G2
#[tokio::test]
async fn orders_and_inserts_at_once_never_collide() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let section_id = section(&admin, &course, "S", "public").await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(lesson(&admin, &section_id, name, "public").await);
    }
    let path = format!("/v1/admin/sections/{section_id}/lessons/order");
    let wanted: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    let inserts =
        join_all((0..10).map(|_| async { lesson(&admin, &section_id, "new", "public").await }));
    let reorders = join_all((0..10).map(|_| reorder(&admin, &path, &wanted)));
    let (inserted, reordered) = futures_util::future::join(inserts, reorders).await;
    for reply in reordered {
        // Either the list was complete at its moment, or it is refused as incomplete.
        assert!(
            [200, 422].contains(&reply.status.as_u16()),
            "{}",
            reply.text
        );
    }
    let detail = admin
        .get(&format!("/v1/admin/sections/{section_id}"))
        .await
        .expect(200);
    assert_eq!(orders(&detail["lessons"]), (0..13).collect::<Vec<_>>());
    assert_eq!(inserted.len(), 10);
    app.finish().await;
}

#[tokio::test]
async fn what_was_deleted_comes_back_at_its_place_after_the_others_were_reordered() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let a = section(&admin, &course, "A", "public").await;
    let b = section(&admin, &course, "B", "public").await;
    let c = section(&admin, &course, "C", "public").await;
    admin
        .delete(&format!("/v1/admin/sections/{b}"))
        .await
        .expect(204);
    let path = format!("/v1/admin/courses/{course}/sections/order");
    let ordered = reorder(&admin, &path, &[&c, &a]).await.expect(200);
    assert_eq!(orders(&ordered["data"]), [0, 1]);
    let restored = admin
        .call(&format!("/v1/admin/sections/{b}/restore"))
        .await
        .expect(200);
    assert_eq!(id(&restored), b);
    assert_eq!(restored["order"], 1);
    let detail = admin
        .get(&format!("/v1/admin/courses/{course}"))
        .await
        .expect(200);
    assert_eq!(names(&detail["sections"]), ["C", "B", "A"]);
    app.finish().await;
}
