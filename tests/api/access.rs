//! Why somebody may open a course, and access given by hand.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Client, Shop, TestApp};

async fn id_of(client: &Client) -> String {
    client.get("/v1/me").await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// H: D8
#[tokio::test]
async fn access_given_by_hand_is_independent_of_a_purchase() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let player = format!("/v1/courses/{}", shop.course);
    let user = id_of(&learner).await;
    let grants = format!("/v1/admin/users/{user}/grants");
    learner
        .get(&player)
        .await
        .expect_problem(403, "course-access-required");

    let body = json!({ "courseId": shop.course, "reason": "Prize" });
    let reply = admin.post(&grants, body.clone()).await;
    assert_eq!(
        reply.header("location"),
        format!("/v1/admin/users/{user}/access")
    );
    let grant = reply.expect(201);
    assert_eq!(
        (&grant["source"], &grant["reason"], &grant["live"]),
        (&json!("manual"), &json!("Prize"), &json!(true))
    );
    learner.get(&player).await.expect(200);
    admin
        .post(&grants, body)
        .await
        .expect_problem(409, "already-granted");

    shop.buy(&app, &learner).await;
    let path = format!("{grants}/{}", grant["id"].as_str().unwrap());
    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.expect_problem(404, "not-found");
    learner.get(&player).await.expect(200);

    let access = admin
        .get(&format!("/v1/admin/users/{user}/access"))
        .await
        .expect(200);
    let course = &access["data"][0];
    assert_eq!(
        (&course["courseId"], &course["hasAccess"]),
        (&json!(shop.course), &json!(true))
    );
    assert_eq!(course["grants"][0]["endedBecause"], "revoked");
    assert_eq!(course["grants"][0]["live"], false);
    assert_eq!(course["grants"][1]["source"], "purchase");
    assert!(course["grants"][1]["purchaseId"].is_string());
    // What was bought is not taken away by hand.
    let bought = format!("{grants}/{}", course["grants"][1]["id"].as_str().unwrap());
    admin.delete(&bought).await.expect_problem(404, "not-found");
    app.finish().await;
}

/// H: D12
#[tokio::test]
async fn the_request_after_a_revocation_is_refused() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let grant = shop.give(&admin, &learner).await;
    let lesson = shop.lesson_path(&shop.first_steps);
    learner.get(&lesson).await.expect(200);
    admin.delete(&grant).await.expect(204);
    learner
        .get(&lesson)
        .await
        .expect_problem(403, "course-access-required");
    app.finish().await;
}

/// H: D13
#[tokio::test]
async fn progress_is_hidden_while_access_is_gone_and_back_with_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let grant = shop.give(&admin, &learner).await;
    learner
        .put(&format!("/v1/me/lessons/{}/completion", shop.welcome))
        .await
        .expect(204);
    admin.delete(&grant).await.expect(204);
    assert_eq!(
        learner.get("/v1/me/courses").await.expect(200)["data"],
        json!([])
    );
    assert_eq!(
        learner
            .get(&shop.lesson_path(&shop.welcome))
            .await
            .expect(200)["completed"],
        false
    );
    shop.give(&admin, &learner).await;
    assert_eq!(
        learner.get("/v1/me/courses").await.expect(200)["data"][0]["completedLessonCount"],
        1
    );
    app.finish().await;
}

#[tokio::test]
async fn a_grant_names_a_course_and_a_person_that_are_there() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let nobody = "/v1/admin/users/00000000-0000-4000-8000-000000000000";
    admin
        .post(
            &format!("{nobody}/grants"),
            json!({ "courseId": shop.course }),
        )
        .await
        .expect_problem(404, "not-found");
    admin
        .get(&format!("{nobody}/access"))
        .await
        .expect_problem(404, "not-found");
    let grants = format!("/v1/admin/users/{}/grants", id_of(&learner).await);
    let unknown = json!({ "courseId": "00000000-0000-4000-8000-000000000000" });
    admin
        .post(&grants, unknown)
        .await
        .expect_invalid("/courseId");
    admin
        .post(&grants, json!({ "courseId": shop.course, "reason": "" }))
        .await
        .expect_invalid("/reason");
    app.finish().await;
}

#[tokio::test]
async fn of_many_grants_by_hand_at_once_one_is_made() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let grants = format!("/v1/admin/users/{}/grants", id_of(&learner).await);
    let replies =
        join_all((0..8).map(|_| admin.post(&grants, json!({ "courseId": shop.course })))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(app.count("access_grants"), 1);
    app.finish().await;
}
