//! People and their roles, as the owner sees them.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::TestApp;

fn names(list: &Value) -> Vec<&str> {
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn people_are_found_by_name_address_and_role() {
    let app = TestApp::start().await;
    let admin = app.admin();
    for (name, full) in [
        ("ana", "Ana 100% Díaz"),
        ("bo", "Bo Under_Score"),
        ("cy", "Cy Díaz"),
    ] {
        let learner = app.learner(name);
        learner.get("/v1/me").await.expect(200);
        app.sql(&format!("UPDATE users SET name = '{full}', email = '{name}@example.com' WHERE clerk_user_id = '{}'", learner.clerk_user_id));
    }
    for (query, found) in [
        ("q=d%C3%ADaz", vec!["Cy Díaz", "Ana 100% Díaz"]),
        ("q=bo%40example", vec!["Bo Under_Score"]),
        ("q=100%25", vec!["Ana 100% Díaz"]),
        ("q=under_", vec!["Bo Under_Score"]),
        ("q=nobody", vec![]),
        ("q=cy", vec!["Cy Díaz"]),
        ("q=d", vec!["Cy Díaz", "Ana 100% Díaz"]),
        ("q=n", vec![]),
        ("q=%25", vec![]),
        ("role=admin&q=ana", vec![]),
    ] {
        let list = admin
            .get(&format!("/v1/admin/users?{query}"))
            .await
            .expect(200);
        assert_eq!(names(&list), found, "{query}");
    }
    assert_eq!(
        admin.get("/v1/admin/users?role=admin").await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let first = admin.get("/v1/admin/users?limit=3").await.expect(200);
    let next = format!(
        "/v1/admin/users?limit=3&cursor={}",
        first["nextCursor"].as_str().unwrap()
    );
    assert_eq!(
        admin.get(&next).await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    app.finish().await;
}

/// H: F9, F10
#[tokio::test]
async fn a_role_counts_from_the_next_request_on_and_is_written_down() {
    let app = TestApp::start().await;
    let (admin, other) = (app.admin(), app.learner("other"));
    let id = other.get("/v1/me").await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/admin/users/{id}");
    other
        .get("/v1/admin/users")
        .await
        .expect_problem(403, "forbidden");
    assert_eq!(
        admin
            .patch(&path, json!({ "role": "admin" }))
            .await
            .expect(200)["role"],
        "admin"
    );
    other.get("/v1/admin/users").await.expect(200);
    admin
        .patch(&path, json!({ "role": "user" }))
        .await
        .expect(200);
    other
        .get("/v1/admin/users")
        .await
        .expect_problem(403, "forbidden");
    admin
        .patch(&path, json!({ "role": "owner" }))
        .await
        .expect_invalid("/role");
    admin
        .patch(&path, json!({ "role": null }))
        .await
        .expect_invalid("/role");
    admin
        .patch(&path, json!({ "name": "x" }))
        .await
        .expect_invalid("/name");

    let log = admin
        .get(&format!("/v1/admin/audit-log?entity=user&entityId={id}"))
        .await
        .expect(200);
    let changes: Vec<_> = log["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["before"], &entry["after"]))
        .collect();
    let (user, owner) = (json!({ "role": "user" }), json!({ "role": "admin" }));
    assert_eq!(changes, [(&owner, &user), (&user, &owner)]);
    app.finish().await;
}

#[tokio::test]
async fn the_store_is_never_without_an_admin() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let me = admin.get("/v1/me").await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let demote = json!({ "role": "user" });
    admin
        .patch(&format!("/v1/admin/users/{me}"), demote.clone())
        .await
        .expect_problem(409, "last-admin");

    let other = app.learner("other");
    let id = other.get("/v1/me").await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    admin
        .patch(&format!("/v1/admin/users/{id}"), json!({ "role": "admin" }))
        .await
        .expect(200);
    // Each demotes the other at once: one of them stays.
    let (first, second) = (
        format!("/v1/admin/users/{id}"),
        format!("/v1/admin/users/{me}"),
    );
    let replies = join_all([
        admin.patch(&first, demote.clone()),
        other.patch(&second, demote),
    ])
    .await;
    assert!(
        replies.iter().any(|reply| reply.status == 200),
        "{replies:?}"
    );
    assert_eq!(app.count("users WHERE role = 'admin'"), 1);
    app.finish().await;
}
