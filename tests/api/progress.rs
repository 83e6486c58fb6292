//! Progress: ticks, percents, and the list of my courses.

use serde_json::{Value, json};

use crate::support::lists::{NOBODY, each, names, rows_of};
use crate::support::shop::{course, lesson, product, section};
use crate::support::{Client, Reply, Shop, TestApp};

fn completion(lesson: &str) -> String {
    format!("/v1/me/lessons/{lesson}/completion")
}

async fn tick(client: &Client, lesson: &str) -> Reply {
    client.put(&completion(lesson)).await
}

/// What the player says, which has to be what the list of courses says too.
async fn progress(client: &Client, course: &str) -> (Value, Value, Value) {
    let player = client
        .get(&format!("/v1/courses/{course}"))
        .await
        .expect(200);
    let mine = client.walk("/v1/me/courses").await;
    let mine = mine
        .iter()
        .find(|row| row["id"] == course)
        .expect("it is mine");
    for field in [
        "name",
        "description",
        "sectionCount",
        "lessonCount",
        "completedLessonCount",
        "percent",
        "nextLesson",
    ] {
        assert_eq!(player[field], mine[field], "{field}");
    }
    let done = &player["completedLessonCount"];
    (
        done.clone(),
        player["percent"].clone(),
        player["nextLesson"]["name"].clone(),
    )
}

#[tokio::test]
async fn a_tick_and_its_taking_back_may_be_repeated() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let learner = app.learner("one");
    let path = completion(&shop.first_steps);
    app.anon()
        .put(&path)
        .await
        .expect_problem(401, "unauthenticated");
    let refused = learner.put(&path).await;
    refused.expect_problem(403, "course-access-required");
    let refused = learner.delete(&path).await;
    refused.expect_problem(403, "course-access-required");
    learner.claim(&shop.product).await;
    for _ in 0..2 {
        assert_eq!(learner.put(&path).await.expect(204), Value::Null);
        let lesson = learner
            .get(&shop.lesson_path(&shop.first_steps))
            .await
            .expect(200);
        assert_eq!(lesson["completed"], true);
        assert_eq!(progress(&learner, &shop.course).await.0, 1);
    }
    for _ in 0..2 {
        learner.delete(&path).await.expect(204);
        assert_eq!(progress(&learner, &shop.course).await.0, 0);
    }
    let ticks = (0..20).map(|_| learner.put(&path));
    for reply in futures_util::future::join_all(ticks).await {
        reply.expect(204);
    }
    assert_eq!(app.count("user_lesson_complete"), 1);
    for lesson in [&shop.draft, &shop.hidden, NOBODY, "1", "%00"] {
        learner
            .put(&completion(lesson))
            .await
            .expect_problem(404, "not-found");
        learner
            .delete(&completion(lesson))
            .await
            .expect_problem(404, "not-found");
    }
    app.finish().await;
}

#[tokio::test]
async fn percent_is_rounded_down_and_100_only_when_all_is_complete() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let learner = app.learner("one");
    learner.claim(&shop.product).await;
    assert_eq!(
        progress(&learner, &shop.course).await,
        (json!(0), json!(0), json!("Welcome"))
    );
    // The next lesson is the first that is not complete, not the one after the last tick.
    tick(&learner, &shop.exercise).await.expect(204);
    assert_eq!(
        progress(&learner, &shop.course).await,
        (json!(1), json!(33), json!("Welcome"))
    );
    tick(&learner, &shop.welcome).await.expect(204);
    assert_eq!(
        progress(&learner, &shop.course).await,
        (json!(2), json!(66), json!("First steps"))
    );
    tick(&learner, &shop.first_steps).await.expect(204);
    assert_eq!(
        progress(&learner, &shop.course).await,
        (json!(3), json!(100), Value::Null)
    );
    learner.delete(&completion(&shop.welcome)).await.expect(204);
    assert_eq!(
        progress(&learner, &shop.course).await,
        (json!(2), json!(66), json!("Welcome"))
    );
    app.finish().await;
}

#[tokio::test]
async fn of_200_lessons_199_are_99_percent() {
    let app = TestApp::start().await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let long = course(&admin, "Long").await;
    let part = section(&admin, &long, "Part", "public").await;
    learner
        .claim(&product(&admin, "Free", 0, &[&long]).await)
        .await;
    let mut lessons = Vec::new();
    for n in 0..200 {
        lessons.push(lesson(&admin, &part, &format!("Lesson {n}"), "public").await);
    }
    let ticks = lessons[1..].iter().map(|lesson| tick(&learner, lesson));
    for reply in futures_util::future::join_all(ticks).await {
        reply.expect(204);
    }
    assert_eq!(
        progress(&learner, &long).await,
        (json!(199), json!(99), json!("Lesson 0"))
    );
    app.finish().await;
}

#[tokio::test]
async fn a_lesson_that_is_deleted_or_made_private_stops_counting_and_its_tick_comes_back_with_it() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    learner.claim(&shop.product).await;
    tick(&learner, &shop.welcome).await.expect(204);
    let lesson = format!("/v1/admin/lessons/{}", shop.welcome);
    let basics = format!("/v1/admin/sections/{}", shop.basics);
    for path in [&lesson, &basics] {
        admin.change(path, json!({ "status": "private" })).await;
        assert_eq!(progress(&learner, &shop.course).await.0, 0);
        tick(&learner, &shop.welcome)
            .await
            .expect_problem(404, "not-found");
        admin.change(path, json!({ "status": "public" })).await;
        assert_eq!(progress(&learner, &shop.course).await.0, 1);
    }
    admin.delete(&lesson).await.expect(204);
    assert_eq!(
        progress(&learner, &shop.course).await,
        (json!(0), json!(0), json!("First steps"))
    );
    admin.delete(&basics).await.expect(204);
    tick(&learner, &shop.first_steps)
        .await
        .expect_problem(404, "not-found");
    tick(&learner, &shop.exercise).await.expect(204);
    assert_eq!(
        progress(&learner, &shop.course).await,
        (json!(1), json!(100), Value::Null)
    );
    app.finish().await;
}

#[tokio::test]
async fn my_courses_are_mine_alone_and_paged_by_name() {
    let app = TestApp::start().await;
    let (admin, learner, other) = (app.admin(), app.learner("one"), app.learner("two"));
    app.anon()
        .get("/v1/me/courses")
        .await
        .expect_problem(401, "unauthenticated");
    let mut ids = Vec::new();
    for name in ["delta", "alpha", "charlie", "alpha", "bravo"] {
        ids.push(course(&admin, name).await);
    }
    let held: Vec<_> = ids[..4].iter().map(String::as_str).collect();
    learner
        .claim(&product(&admin, "Four", 0, &held).await)
        .await;
    other
        .claim(&product(&admin, "One", 0, &[&ids[4]]).await)
        .await;
    for limit in [1, 2, 100] {
        let mine = json!(learner.walk(&format!("/v1/me/courses?limit={limit}")).await);
        assert_eq!(names(&mine), ["alpha", "alpha", "charlie", "delta"]);
        let mut twins = [ids[1].clone(), ids[3].clone()];
        twins.sort();
        assert_eq!(each(&mine, "id")[..2], twins);
    }
    let page = rows_of(other.get("/v1/me/courses").await);
    assert_eq!(names(&json!(page)), ["bravo"]);
    let cursor = "eyJzIjoibmFtZSIsImsiOiJhXHUwMDAwIiwiaSI6IjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDAwMCJ9";
    let forged = learner
        .get(&format!("/v1/me/courses?cursor={cursor}"))
        .await;
    forged.expect_problem(400, "invalid-cursor");
    app.finish().await;
}

/// A lesson of the generated course, as the naive count sees it.
struct Made {
    id: String,
    name: String,
    counts: bool,
}

/// A course of random sections and lessons, some private, some deleted, in its order.
async fn random_course(admin: &Client, rng: &mut fastrand::Rng, name: &str) -> (String, Vec<Made>) {
    let course = course(admin, name).await;
    let mut made = Vec::new();
    for s in 0..rng.usize(0..5) {
        let status = *rng.choice(&["public", "public", "private"]).unwrap();
        let section = section(admin, &course, &format!("s{s}"), status).await;
        let section_deleted = rng.u8(0..6) == 0;
        for l in 0..rng.usize(0..6) {
            let lesson_status = *rng.choice(&["public", "preview", "private"]).unwrap();
            let name = format!("{s}.{l}");
            let id = lesson(admin, &section, &name, lesson_status).await;
            let deleted = rng.u8(0..5) == 0;
            if deleted {
                admin
                    .delete(&format!("/v1/admin/lessons/{id}"))
                    .await
                    .expect(204);
            }
            let counts = status == "public" && lesson_status != "private";
            made.push(Made {
                id,
                name,
                counts: counts && !deleted && !section_deleted,
            });
        }
        if section_deleted {
            admin
                .delete(&format!("/v1/admin/sections/{section}"))
                .await
                .expect(204);
        }
    }
    (course, made)
}

/// H: G7
#[tokio::test]
async fn progress_is_what_a_naive_count_over_generated_courses_says() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let app = TestApp::start().await;
    let admin = app.admin();
    let learners: Vec<_> = (0..3)
        .map(|n| app.learner(&format!("learner-{n}")))
        .collect();
    for n in 0..6 {
        let (course, lessons) = random_course(&admin, &mut rng, &format!("course {n}")).await;
        let free = product(&admin, "Free", 0, &[&course]).await;
        for learner in &learners {
            learner.claim(&free).await;
            let mut done = Vec::new();
            for made in &lessons {
                if rng.bool() {
                    let reply = tick(learner, &made.id).await;
                    reply.expect(if made.counts { 204 } else { 404 });
                    done.push(&made.id);
                }
            }
            let counted: Vec<_> = lessons.iter().filter(|made| made.counts).collect();
            let completed = counted
                .iter()
                .filter(|made| done.contains(&&made.id))
                .count();
            let percent = if counted.is_empty() {
                0
            } else {
                completed * 100 / counted.len()
            };
            let next = counted.iter().find(|made| !done.contains(&&made.id));
            let next = next.map_or(Value::Null, |made| json!(made.name));
            assert_eq!(
                progress(learner, &course).await,
                (json!(completed), json!(percent), next),
                "seed {seed}"
            );
            let player = learner
                .get(&format!("/v1/courses/{course}"))
                .await
                .expect(200);
            assert_eq!(player["lessonCount"], counted.len(), "seed {seed}");
        }
    }
    let students = |row: &Value| row["studentCount"] == learners.len();
    assert!(admin.walk("/v1/admin/courses").await.iter().all(students));
    assert_eq!(learners[0].walk("/v1/me/courses?limit=4").await.len(), 6);
    app.finish().await;
}
