//! Courses: the player, and the owner's side.

use serde_json::json;

use crate::support::lists::{NOBODY, names, outline};
use crate::support::shop::{self, course, lesson, product, section};
use crate::support::{Shop, TestApp};

#[tokio::test]
async fn a_course_is_made_changed_deleted_and_stays_readable_for_the_owner() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let body = json!({ "name": "Rust", "description": "From\nthe start." });
    let reply = admin.post("/v1/admin/courses", body).await;
    let path = reply.header("location").to_owned();
    let made = reply.expect(201);
    assert_eq!(path, format!("/v1/admin/courses/{}", shop::id(&made)));
    assert_eq!(made["description"], "From\nthe start.");
    for count in ["sectionCount", "lessonCount", "studentCount"] {
        assert_eq!(made[count], 0);
    }
    let changed = admin.change(&path, json!({ "name": "More Rust" })).await;
    assert_eq!(changed["name"], "More Rust");
    assert_eq!(changed["description"], made["description"], "kept");
    assert_eq!(admin.change(&path, json!({})).await, changed);
    let null = admin.patch(&path, json!({ "description": null })).await;
    null.expect_invalid("/description");

    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.expect_problem(404, "not-found");
    for change in [json!({}), json!({ "name": "Again" })] {
        let reply = admin.patch(&path, change).await;
        reply.expect_problem(404, "not-found");
    }
    let sections = format!("{path}/sections");
    let reply = admin.post(&sections, json!({ "name": "Late" })).await;
    reply.expect_problem(404, "not-found");
    let deleted = admin.get(&path).await.expect(200);
    assert!(deleted["deletedAt"].is_string(), "{deleted}");
    assert!(admin.walk("/v1/admin/courses").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn the_owners_list_has_every_live_course_newest_first_with_its_counts() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let admin = app.admin();
    for name in ["second", "third", "fourth"] {
        course(&admin, name).await;
    }
    app.learner("one").claim(&shop.product).await;
    let walked = admin.walk("/v1/admin/courses?limit=2").await;
    assert_eq!(
        names(&json!(walked)),
        ["fourth", "third", "second", "Rust for the Web"]
    );
    assert_eq!(walked[3]["sectionCount"], 3);
    assert_eq!(walked[3]["lessonCount"], 5);
    assert_eq!(walked[3]["studentCount"], 1);
    app.finish().await;
}

#[tokio::test]
async fn a_course_shows_its_owner_every_live_part_nested_and_numbered_without_gaps() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let extra = section(&admin, &shop.course, "Extra", "public").await;
    lesson(&admin, &extra, "Encore", "public").await;
    for path in [
        format!("/v1/admin/lessons/{}", shop.first_steps),
        format!("/v1/admin/sections/{}", shop.secret),
    ] {
        admin.delete(&path).await.expect(204);
    }
    let path = format!("/v1/admin/courses/{}", shop.course);
    let detail = admin.get(&path).await.expect(200);
    assert_eq!(
        outline(&detail),
        json!([
            ["Basics", ["Welcome", "Draft"]],
            ["Practice", ["Exercise"]],
            ["Extra", ["Encore"]]
        ])
    );
    assert_eq!(detail["sectionCount"], 3);
    assert_eq!(detail["lessonCount"], 4);
    for (section_order, section) in detail["sections"].as_array().unwrap().iter().enumerate() {
        assert_eq!(section["order"], section_order);
        assert_eq!(section["courseId"], shop.course);
        for (order, lesson) in section["lessons"].as_array().unwrap().iter().enumerate() {
            assert_eq!(lesson["order"], order);
            assert_eq!(lesson["sectionId"], section["id"]);
            let path = format!("/v1/admin/lessons/{}", shop::id(lesson));
            assert_eq!(admin.get(&path).await.expect(200), *lesson);
        }
        let path = format!("/v1/admin/sections/{}", shop::id(section));
        assert_eq!(admin.get(&path).await.expect(200), *section);
    }
    app.finish().await;
}

/// H: G5
#[tokio::test]
async fn a_course_in_a_live_product_is_not_deleted_and_the_products_are_named() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let other = product(&admin, "Another offer", 100, &[&shop.course]).await;
    let path = format!("/v1/admin/courses/{}", shop.course);
    let problem = admin
        .delete(&path)
        .await
        .expect_problem(409, "course-in-use");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("Another offer") && detail.contains("Web course"),
        "{detail}"
    );
    admin.get(&path).await.expect(200);
    // Out of the one, the other deleted: nothing holds it any more.
    let rest = course(&admin, "Rest").await;
    let change = json!({ "courseIds": [rest] });
    admin
        .change(&format!("/v1/admin/products/{other}"), change)
        .await;
    let product = format!("/v1/admin/products/{}", shop.product);
    admin.delete(&product).await.expect(204);
    admin.delete(&path).await.expect(204);
    app.finish().await;
}

#[tokio::test]
async fn a_deleted_course_hides_everything_in_it_from_everybody() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    learner.claim(&shop.product).await;
    for path in [
        format!("/v1/admin/products/{}", shop.product),
        format!("/v1/admin/courses/{}", shop.course),
    ] {
        admin.delete(&path).await.expect(204);
    }
    let player = format!("/v1/courses/{}", shop.course);
    for client in [&learner, &admin] {
        client.get(&player).await.expect_problem(404, "not-found");
        for lesson in [&shop.welcome, &shop.exercise] {
            let watch = client.get(&shop.lesson_path(lesson)).await;
            watch.expect_problem(404, "not-found");
        }
    }
    for path in [
        format!("/v1/admin/sections/{}", shop.basics),
        format!("/v1/admin/lessons/{}", shop.welcome),
    ] {
        let change = admin.patch(&path, json!({ "name": "New" })).await;
        change.expect_problem(404, "not-found");
        admin.delete(&path).await.expect_problem(404, "not-found");
    }
    let lessons = format!("/v1/admin/sections/{}/lessons", shop.basics);
    let body = json!({ "name": "Late", "youtubeVideoId": "dQw4w9WgXcQ" });
    admin
        .post(&lessons, body)
        .await
        .expect_problem(404, "not-found");
    assert!(learner.walk("/v1/me/courses").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn the_player_opens_for_those_who_have_the_course_and_shows_what_counts() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let bonus = section(&admin, &shop.course, "Nothing yet", "public").await;
    let path = format!("/v1/courses/{}", shop.course);
    app.anon()
        .get(&path)
        .await
        .expect_problem(401, "unauthenticated");
    let refused = learner.get(&path).await;
    refused.expect_problem(403, "course-access-required");
    learner.claim(&shop.product).await;
    let player = learner.get(&path).await.expect(200);
    assert_eq!(
        outline(&player),
        json!([
            ["Basics", ["Welcome", "First steps"]],
            ["Practice", ["Exercise"]],
            ["Nothing yet", []]
        ])
    );
    assert_eq!(player["sections"][2]["id"], bonus);
    assert_eq!(player["sectionCount"], 3);
    assert_eq!(player["lessonCount"], 3);
    assert_eq!(player["completedLessonCount"], 0);
    assert_eq!(player["percent"], 0);
    assert_eq!(
        player["nextLesson"],
        json!({ "id": shop.welcome, "name": "Welcome" })
    );
    let owners = admin.get(&path).await.expect(200);
    assert_eq!(
        outline(&owners)[1],
        json!(["Secret", ["Hidden"]]),
        "the owner sees the private parts"
    );
    assert_eq!(owners["lessonCount"], 3, "but they count for nobody");
    for id in [NOBODY, "1", "%00"] {
        let reply = learner.get(&format!("/v1/courses/{id}")).await;
        reply.expect_problem(404, "not-found");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_course_without_lessons_is_at_zero_percent_with_nothing_next() {
    let app = TestApp::start().await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let empty = course(&admin, "Empty").await;
    let free = product(&admin, "Free", 0, &[&empty]).await;
    learner.claim(&free).await;
    let player = learner
        .get(&format!("/v1/courses/{empty}"))
        .await
        .expect(200);
    let mine = &learner.walk("/v1/me/courses").await[0];
    for view in [&player, mine] {
        assert_eq!(view["percent"], 0);
        assert_eq!(view["lessonCount"], 0);
        assert_eq!(view["nextLesson"], json!(null));
    }
    app.finish().await;
}
