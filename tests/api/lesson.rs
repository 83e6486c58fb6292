//! Lessons: watching one, and the owner's side.

use diesel::connection::SimpleConnection;
use futures_util::future::join;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::lists::{NOBODY, names};
use crate::support::shop::{self, course, lesson, section};
use crate::support::{Client, Shop, TestApp};

const VIDEO: &str = "dQw4w9WgXcQ";

#[tokio::test]
async fn a_lesson_is_made_changed_and_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let part = section(&admin, &course, "Part", "public").await;
    let lessons = format!("/v1/admin/sections/{part}/lessons");
    let body = json!({ "name": "Start", "youtubeVideoId": VIDEO, "description": " Hello. " });
    let reply = admin.post(&lessons, body).await;
    let path = reply.header("location").to_owned();
    let made = reply.expect(201);
    assert_eq!(path, format!("/v1/admin/lessons/{}", shop::id(&made)));
    assert_eq!(made["status"], "private", "hidden unless said otherwise");
    assert_eq!(made["description"], "Hello.");
    assert_eq!(made["order"], 0);
    let changed = admin.change(&path, json!({ "status": "preview" })).await;
    assert_eq!(changed["description"], "Hello.", "what is absent is kept");
    let cleared = admin.change(&path, json!({ "description": null })).await;
    assert_eq!(cleared["description"], json!(null));
    assert_eq!(cleared["status"], "preview");
    assert_eq!(admin.change(&path, json!({})).await, cleared);
    for field in ["name", "youtubeVideoId", "status", "sectionId"] {
        let reply = admin.patch(&path, json!({ field: null })).await;
        reply.expect_invalid(&format!("/{field}"));
    }
    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.expect_problem(404, "not-found");
    assert!(admin.get(&path).await.expect(200)["deletedAt"].is_string());
    for change in [
        json!({}),
        json!({ "name": "Again" }),
        json!({ "sectionId": part }),
    ] {
        let reply = admin.patch(&path, change).await;
        reply.expect_problem(404, "not-found");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_youtube_address_is_reduced_to_its_id_and_everything_else_refused() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let part = section(&admin, &course, "Part", "public").await;
    let path = format!(
        "/v1/admin/lessons/{}",
        lesson(&admin, &part, "L", "public").await
    );
    for id in ["-_Aa0123456", "___________", "a-b_c-d_e-f"] {
        for address in [
            id.to_owned(),
            format!(" {id} "),
            format!("https://www.youtube.com/watch?v={id}"),
            format!("https://youtube.com/watch?t=42s&v={id}&list=PL1"),
            format!("http://m.youtube.com/watch?v={id}#t=1"),
            format!("https://music.youtube.com/watch?v={id}"),
            format!("https://youtu.be/{id}?si=abc"),
            format!("https://www.youtube.com/embed/{id}?rel=0"),
            format!("https://www.youtube-nocookie.com/embed/{id}"),
            format!("https://www.youtube.com/shorts/{id}"),
            format!("https://www.youtube.com/live/{id}?feature=share"),
        ] {
            let changed = admin
                .change(&path, json!({ "youtubeVideoId": address }))
                .await;
            assert_eq!(changed["youtubeVideoId"], id, "{address}");
        }
    }
    for address in [
        "",
        "short",
        "twelve-chars",
        "dQw4w9WgXc\u{e9}",
        "dQw4w9WgXc\n",
        "dQw4w9W\0XcQ",
        "https://vimeo.com/watch?v=dQw4w9WgXcQ",
        "https://evil.example/https://youtu.be/dQw4w9WgXcQ",
        "https://youtu.be.evil.example/dQw4w9WgXcQ",
        "https://www.youtube.com/watch",
        "https://www.youtube.com/watch?v=",
        "https://www.youtube.com/playlist?list=dQw4w9WgXcQ",
        "https://www.youtube.com/channel/dQw4w9WgXcQ",
        "javascript:dQw4w9WgXcQ",
        "ftp://youtu.be/dQw4w9WgXcQ",
        "https://youtu.be/dQw4w\n9WgXcQ",
    ] {
        let reply = admin
            .patch(&path, json!({ "youtubeVideoId": address }))
            .await;
        reply.expect_invalid("/youtubeVideoId");
    }
    app.finish().await;
}

async fn lessons_of(admin: &Client, section: &str) -> Value {
    let path = format!("/v1/admin/sections/{section}");
    let lessons = admin.get(&path).await.expect(200)["lessons"].clone();
    let orders = lessons
        .as_array()
        .unwrap()
        .iter()
        .map(|lesson| &lesson["order"]);
    assert!(
        orders
            .cloned()
            .eq((0..lessons.as_array().unwrap().len()).map(Value::from)),
        "{lessons}"
    );
    lessons
}

/// H: G8
#[tokio::test]
async fn a_moved_lesson_goes_to_the_end_of_its_new_section_and_no_order_has_a_gap() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let last = lesson(&admin, &shop.practice, "Last", "public").await;
    let path = format!("/v1/admin/lessons/{last}");
    admin.delete(&path).await.expect(204);
    let path = format!("/v1/admin/lessons/{}", shop.welcome);
    let change = json!({ "sectionId": shop.practice, "name": "Moved" });
    let moved = admin.change(&path, change).await;
    assert_eq!(moved["sectionId"], shop.practice);
    assert_eq!(moved["order"], 1, "a deleted lesson takes no place");
    assert_eq!(
        names(&lessons_of(&admin, &shop.basics).await),
        ["First steps", "Draft"]
    );
    assert_eq!(
        names(&lessons_of(&admin, &shop.practice).await),
        ["Exercise", "Moved"]
    );
    let stay = admin
        .change(&path, json!({ "sectionId": shop.practice }))
        .await;
    assert_eq!(stay["order"], 1, "a move to where it is moves nothing");
    // And back: its old place is not kept for it.
    let back = admin
        .change(&path, json!({ "sectionId": shop.basics }))
        .await;
    assert_eq!(back["order"], 2);
    assert_eq!(
        names(&lessons_of(&admin, &shop.basics).await),
        ["First steps", "Draft", "Moved"]
    );
    app.finish().await;
}

/// H: G8
#[tokio::test]
async fn a_lesson_moves_only_to_a_section_that_is_there() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let deleted = section(&admin, &shop.course, "Deleted", "public").await;
    let path = format!("/v1/admin/sections/{deleted}");
    admin.delete(&path).await.expect(204);
    let buried = course(&admin, "Deleted course").await;
    let inside = section(&admin, &buried, "Live section", "public").await;
    let path = format!("/v1/admin/courses/{buried}");
    admin.delete(&path).await.expect(204);
    let path = format!("/v1/admin/lessons/{}", shop.welcome);
    let before = admin.get(&path).await.expect(200);
    for target in [NOBODY, &deleted, &inside, &shop.course] {
        let change = json!({ "sectionId": target, "name": "Changed" });
        admin
            .patch(&path, change)
            .await
            .expect_invalid("/sectionId");
    }
    assert_eq!(
        admin.get(&path).await.expect(200),
        before,
        "nothing changed"
    );
    app.finish().await;
}

/// H: G8
#[tokio::test]
async fn lessons_moved_to_one_section_at_once_all_get_a_place() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let [from, to] = [
        section(&admin, &course, "From", "public").await,
        section(&admin, &course, "To", "public").await,
    ];
    let mut paths = Vec::new();
    for n in 0..12 {
        let id = lesson(&admin, &from, &format!("lesson {n}"), "public").await;
        paths.push(format!("/v1/admin/lessons/{id}"));
    }
    let change = json!({ "sectionId": to });
    let moves = paths.iter().map(|path| admin.change(path, change.clone()));
    futures_util::future::join_all(moves).await;
    assert_eq!(lessons_of(&admin, &from).await, json!([]));
    assert_eq!(lessons_of(&admin, &to).await.as_array().unwrap().len(), 12);
    app.finish().await;
}

/// H: G8, G9
#[tokio::test]
async fn two_moves_that_cross_do_not_wait_for_each_other_for_ever() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    let mut sections = [
        section(&admin, &course, "One", "public").await,
        section(&admin, &course, "Other", "public").await,
    ];
    sections.sort();
    let [low, high] = sections;
    let ask = async |from: &str, to: &str| {
        let id = lesson(&admin, from, "Lesson", "public").await;
        let path = format!("/v1/admin/lessons/{id}");
        let tag = admin.get(&path).await.header("etag").to_owned();
        let request = admin.request(Method::PATCH, &path).header("if-match", tag);
        (id, request.json(&json!({ "sectionId": to })))
    };
    let (up, moves_up) = ask(&low, &high).await;
    let (_, moves_down) = ask(&high, &low).await;
    // The first holds all that it needs but its lesson when the second comes.
    let mut holder = app.db();
    let lock = format!("BEGIN; SELECT FROM lessons WHERE id = '{up}' FOR UPDATE");
    holder.batch_execute(&lock).unwrap();
    let second = async {
        app.waits_for_locks(1).await;
        let released = async {
            app.waits_for_locks(2).await;
            holder.batch_execute("COMMIT").unwrap();
        };
        join(admin.send(moves_down), released).await.0
    };
    let (first, second) = join(admin.send(moves_up), second).await;
    first.expect(200);
    second.expect(200);
    app.finish().await;
}

/// Follows `nextLesson` from a lesson to the end and `previousLesson` back; both have to name the same lessons.
async fn path_from(client: &Client, shop: &Shop, first: &str) -> Vec<String> {
    let mut walked: Vec<(String, String)> = Vec::new();
    let mut at = first.to_owned();
    loop {
        let reply = client.get(&shop.lesson_path(&at)).await;
        let lesson = reply.expect(200);
        let before = walked
            .last()
            .map(|(id, name)| json!({ "id": id, "name": name }));
        assert_eq!(lesson["previousLesson"], before.unwrap_or(Value::Null));
        walked.push((at, lesson["name"].as_str().unwrap().to_owned()));
        match &lesson["nextLesson"] {
            Value::Null => return walked.into_iter().map(|(_, name)| name).collect(),
            next => at = shop::id(next),
        }
    }
}

/// H: G1
#[tokio::test]
async fn previous_and_next_follow_the_course_and_skip_what_the_caller_may_not_see() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    learner.claim(&shop.product).await;
    section(&admin, &shop.course, "Empty", "public").await;
    let closed = section(&admin, &shop.course, "Only drafts", "public").await;
    lesson(&admin, &closed, "Sketch", "private").await;
    let end = section(&admin, &shop.course, "End", "public").await;
    let gone = lesson(&admin, &end, "Gone", "public").await;
    let path = format!("/v1/admin/lessons/{gone}");
    admin.delete(&path).await.expect(204);
    lesson(&admin, &end, "Goodbye", "preview").await;
    assert_eq!(
        path_from(&learner, &shop, &shop.welcome).await,
        ["Welcome", "First steps", "Exercise", "Goodbye"]
    );
    assert_eq!(
        path_from(&admin, &shop, &shop.welcome).await,
        [
            "Welcome",
            "First steps",
            "Draft",
            "Hidden",
            "Exercise",
            "Sketch",
            "Goodbye"
        ]
    );
    for client in [app.anon(), app.learner("two")] {
        let preview = client
            .get(&shop.lesson_path(&shop.welcome))
            .await
            .expect(200);
        assert_eq!(
            preview["nextLesson"]["name"], "First steps",
            "the outline is public, so the neighbour may be named"
        );
        assert_eq!(preview["previousLesson"], json!(null));
    }
    app.finish().await;
}

/// H: G3
#[tokio::test]
async fn a_lesson_asked_for_under_another_course_is_not_there() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    learner.claim(&shop.product).await;
    let other = course(&admin, "Other").await;
    for course in [other.as_str(), NOBODY, "1"] {
        for client in [&app.anon(), &learner, &admin] {
            let path = format!("/v1/courses/{course}/lessons/{}", shop.welcome);
            client.get(&path).await.expect_problem(404, "not-found");
        }
    }
    app.finish().await;
}

/// H: G4
#[tokio::test]
async fn a_preview_opens_for_everybody_but_not_out_of_what_is_private_or_deleted() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    learner.claim(&shop.product).await;
    let preview = shop.lesson_path(&shop.welcome);
    let shown = app.anon().get(&preview).await.expect(200);
    assert_eq!(shown["youtubeVideoId"], VIDEO);
    let section = format!("/v1/admin/sections/{}", shop.basics);
    admin.change(&section, json!({ "status": "private" })).await;
    for client in [&app.anon(), &learner] {
        client.get(&preview).await.expect_problem(404, "not-found");
    }
    admin.get(&preview).await.expect(200);
    admin.change(&section, json!({ "status": "public" })).await;
    app.anon().get(&preview).await.expect(200);
    admin.delete(&section).await.expect(204);
    for client in [&app.anon(), &learner, &admin] {
        client.get(&preview).await.expect_problem(404, "not-found");
    }
    app.finish().await;
}

#[tokio::test]
async fn who_may_tick_a_lesson_off_is_said_with_it() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner, other) = (app.admin(), app.learner("one"), app.learner("two"));
    learner.claim(&shop.product).await;
    for (client, lesson, may) in [
        (&app.anon(), &shop.welcome, false),
        (&other, &shop.welcome, false),
        (&learner, &shop.welcome, true),
        (&learner, &shop.first_steps, true),
        (&admin, &shop.first_steps, false),
    ] {
        let shown = client.get(&shop.lesson_path(lesson)).await.expect(200);
        assert_eq!(shown["canComplete"], may);
        assert_eq!(shown["completed"], false);
    }
    // An owner with access is a learner too; private lessons count for nobody.
    admin.claim(&shop.product).await;
    for (lesson, may) in [
        (&shop.first_steps, true),
        (&shop.draft, false),
        (&shop.hidden, false),
    ] {
        let shown = admin.get(&shop.lesson_path(lesson)).await.expect(200);
        assert_eq!(shown["canComplete"], may);
        let tick = admin
            .put(&format!("/v1/me/lessons/{lesson}/completion"))
            .await;
        tick.expect(if may { 204 } else { 404 });
        let shown = admin.get(&shop.lesson_path(lesson)).await.expect(200);
        assert_eq!(shown["completed"], may);
    }
    app.finish().await;
}
