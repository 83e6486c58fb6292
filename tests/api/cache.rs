//! What an instance keeps: it saves the database the asking, and is never stale.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use fastrand::Rng;
use futures_util::future::{join, join_all};
use lectern::app::AppState;
use lectern::listener::Listener;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::instance::until;
use crate::support::shop::{course, id, lesson, product, section};
use crate::support::{Client, Reply, Shop, TestApp};

/// Lets an instance hear, which it has to before it keeps anything.
async fn hears(state: &AppState) -> Listener {
    let listener = state.listen().unwrap();
    until("the instance hears", async || state.hearing.is_current()).await;
    listener
}

/// H: F3
#[tokio::test]
async fn who_was_deleted_a_moment_ago_is_told_so_when_asking_for_it_again() {
    let app = TestApp::start().await;
    let _listener = hears(&app.state).await;
    let learner = app.learner("one");
    until("the person is kept", async || {
        let before = app.state.db.statements();
        learner.get("/v1/me").await.expect(200);
        app.state.db.statements() == before
    })
    .await;
    // Without the trigger that says so, nobody hears of it.
    app.sql("SET session_replication_role = replica; UPDATE users SET deleted_at = now(), name = NULL, email = NULL, image_url = NULL WHERE role = 'user'");
    learner.get("/v1/me").await.expect(200);
    let again = learner.delete("/v1/me").await;
    again.expect_problem(401, "account-deleted");
    let asked = "jobs WHERE payload ->> 'kind' = 'delete_at_clerk'";
    assert_eq!(app.count(asked), 0);
    app.finish_with_work_left().await;
}

/// Lets a request wait for a table, for more than a second. Something else is done before it may go on.
async fn stand_still(
    app: &TestApp,
    table: &str,
    request: impl Future<Output = Reply>,
    meanwhile: impl Future<Output = ()>,
) -> Reply {
    let mut owner = app.db();
    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    owner.batch_execute(&lock).unwrap();
    let meanwhile = async {
        let waiting = "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '1 second'";
        let waits = async || app.count(waiting) == 1;
        until("the request has stood still for a second", waits).await;
        meanwhile.await;
        owner.batch_execute("COMMIT").unwrap();
    };
    join(request, meanwhile).await.0
}

/// H: D12
#[tokio::test]
async fn who_loses_a_course_while_it_is_read_is_not_told_what_is_in_it() {
    let app = TestApp::start().await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let shop = Shop::open(&app).await;
    let grant = shop.give(&admin, &learner).await;
    let player = format!("/v1/courses/{}", shop.course);
    let read = learner.get(&player);
    let read = stand_still(&app, "lessons", read, async {}).await;
    read.expect(200);
    let revoke = async {
        admin.delete(&grant).await.expect(204);
    };
    let read = learner.get(&player);
    let read = stand_still(&app, "lessons", read, revoke).await;
    read.expect_problem(503, "database-unavailable");
    let again = learner.get(&player).await;
    again.expect_problem(403, "course-access-required");
    app.finish().await;
}

/// H: F10, D12
#[tokio::test]
async fn who_was_demoted_a_moment_ago_changes_nothing_more_and_who_was_promoted_is_the_last_admin()
{
    let app = TestApp::start().await;
    let _listener = hears(&app.state).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    until("both are kept", async || {
        let before = app.state.db.statements();
        admin.get("/v1/me").await.expect(200);
        learner.get("/v1/me").await.expect(200);
        app.state.db.statements() == before
    })
    .await;
    // They change parts, and nobody hears of it.
    app.sql(
        "SET session_replication_role = replica;
         UPDATE users SET role = CASE role WHEN 'admin' THEN 'user' ELSE 'admin' END::user_role",
    );
    let body = json!({ "name": "A course", "description": "Never made." });
    let refused = admin.post("/v1/admin/courses", body).await;
    refused.expect_problem(403, "forbidden");
    assert_eq!(app.count("courses"), 0);
    let refused = learner.delete("/v1/me").await;
    refused.expect_problem(409, "last-admin");
    app.finish().await;
}

#[tokio::test]
async fn what_was_read_once_is_not_read_again_until_it_changes() {
    let app = TestApp::start().await;
    let _listener = hears(&app.state).await;
    let shop = Shop::open_at(&app, 0).await;
    let (anon, admin, learner) = (app.anon(), app.admin(), app.learner("one"));
    learner.claim(&shop.product).await;
    let lesson = shop.lesson_path(&shop.first_steps);
    let player = format!("/v1/courses/{}", shop.course);
    let detail = format!("/v1/products/{}", shop.product);
    let reads = [
        (&anon, "/v1/products?limit=5"),
        (&anon, &detail),
        (&learner, "/v1/me/courses"),
        (&learner, &player),
        (&learner, &lesson),
        (&learner, "/v1/me"),
    ];
    let statements = async || {
        let before = app.state.db.statements();
        for (client, path) in reads {
            client.get(path).await.expect(200);
        }
        app.state.db.statements() - before
    };
    // Other instances' messages of the shop's making may still be on their way.
    until("nothing more is asked", async || statements().await == 0).await;
    let completion = format!("/v1/me/lessons/{}/completion", shop.welcome);
    let before = app.state.db.statements();
    learner.put(&completion).await.expect(204);
    assert_eq!(
        app.state.db.statements() - before,
        1,
        "a tick is one statement"
    );
    assert_eq!(
        learner.get(&player).await.expect(200)["completedLessonCount"],
        1
    );
    let path = format!("/v1/admin/courses/{}", shop.course);
    admin.change(&path, json!({ "name": "Renamed" })).await;
    assert_eq!(learner.get(&player).await.expect(200)["name"], "Renamed");
    assert_eq!(
        anon.get(&detail).await.expect(200)["courses"][0]["name"],
        "Renamed"
    );
    app.finish().await;
}

/// H: D12
#[tokio::test]
async fn who_may_tick_a_lesson_off_is_looked_up_once_until_it_changes() {
    let app = TestApp::start().await;
    let _listener = hears(&app.state).await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let grant = shop.give(&admin, &learner).await;
    let completion = format!("/v1/me/lessons/{}/completion", shop.welcome);
    // Of what is done so, nobody hears.
    let silently = |change: String| {
        app.sql(&format!("SET session_replication_role = replica; {change}"));
    };
    let let_basics_be = |status| {
        let id = &shop.basics;
        silently(format!(
            "UPDATE course_sections SET status = '{status}' WHERE id = '{id}'"
        ));
    };
    let is_known = async || {
        learner.put(&completion).await.expect(204);
        let_basics_be("private");
        let again = learner.delete(&completion).await;
        let_basics_be("public");
        again.status == 204
    };
    until("it is known that the learner may", is_known).await;
    let path = format!("/v1/admin/lessons/{}", shop.welcome);
    admin.change(&path, json!({ "status": "private" })).await;
    let refused = learner.put(&completion).await;
    refused.expect_problem(404, "not-found");
    admin.change(&path, json!({ "status": "public" })).await;
    until("it is known again", is_known).await;
    admin.delete(&grant).await.expect(204);
    for refused in [
        learner.put(&completion).await,
        learner.delete(&completion).await,
    ] {
        refused.expect_problem(403, "course-access-required");
    }
    let grant = shop.give(&admin, &learner).await;
    until("it is known once more", is_known).await;
    let tick = learner.put(&completion);
    let revoke = async {
        admin.delete(&grant).await.expect(204);
    };
    let tick = stand_still(&app, "user_lesson_complete", tick, revoke).await;
    tick.expect_problem(403, "course-access-required");
    shop.give(&admin, &learner).await;
    until("it is known at last", is_known).await;
    let id = &shop.welcome;
    silently(format!(
        "UPDATE lessons SET id = gen_random_uuid() WHERE id = '{id}'"
    ));
    let refused = learner.put(&completion).await;
    refused.expect_problem(404, "not-found");
    app.finish().await;
}

/// An instance that does not hear keeps nothing: it answers right, with the database's help.
#[tokio::test]
async fn a_deaf_instance_asks_the_database() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let path = format!("/v1/products/{}", shop.product);
    for name in ["A", "B"] {
        app.anon().get(&path).await.expect(200);
        app.sql(&format!("UPDATE courses SET name = '{name}'"));
        let detail = app.anon().get(&path).await.expect(200);
        assert_eq!(detail["courses"][0]["name"], name);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_finished_page_is_sent_in_the_form_that_the_caller_prefers_and_keeps_its_tag() {
    let app = TestApp::start().await;
    let _listener = hears(&app.state).await;
    let shop = Shop::open(&app).await;
    let anon = app.anon();
    let path = format!("/v1/products/{}", shop.product);
    let plain = anon.get(&path).await;
    let tag = plain.header("etag").trim_matches('"').to_owned();
    assert!(!plain.headers.contains_key("content-encoding"));
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("br, gzip", "br"),
        ("br;q=0.1, gzip", "gzip"),
    ] {
        for _ in 0..2 {
            let reply = anon.get_with(&path, "accept-encoding", accepted).await;
            assert_eq!(reply.header("content-encoding"), coding);
            assert_eq!(reply.header("etag"), format!("\"{tag}-{coding}\""));
            let request = anon.request(Method::GET, &path);
            let request = request.header("accept-encoding", accepted);
            let again = request.header("if-none-match", format!("\"{tag}-{coding}\""));
            let unchanged = anon.send(again).await;
            assert_eq!(unchanged.status, 304);
            assert_eq!(unchanged.header("etag"), format!("\"{tag}-{coding}\""));
            assert!(!unchanged.headers.contains_key("content-encoding"));
        }
    }
    app.finish().await;
}

/// What a reader is told: everything but what differs from request to request.
fn told(reply: Reply) -> (u16, Option<String>, Value) {
    let tag = reply
        .headers
        .get("etag")
        .map(|tag| tag.to_str().unwrap().to_owned());
    let mut body = reply.body;
    if let Some(problem) = body.as_object_mut() {
        problem.remove("requestId");
    }
    (reply.status.as_u16(), tag, body)
}

/// A store of two instances that keep what they read, and one that does not.
struct Stores {
    app: TestApp,
    states: [AppState; 2],
    urls: [String; 2],
    oracle: String,
    admins: Vec<Client>,
    learners: Vec<(Client, String)>,
    courses: Vec<String>,
    sections: Vec<String>,
    lessons: Vec<String>,
    products: Vec<String>,
}

impl Stores {
    async fn open() -> Self {
        let mut app = TestApp::start().await;
        let (other, state) = app.another(&[]);
        let (oracle, _) = app.another(&[("CACHE_MIB", "0")]);
        let owner = app.admin();
        let (mut courses, mut sections, mut lessons) = (Vec::new(), Vec::new(), Vec::new());
        for c in ["b", "a"] {
            let course = course(&owner, c).await;
            for (s, status) in [("s1", "public"), ("s2", "private")] {
                let section = section(&owner, &course, s, status).await;
                for (l, status) in [("l1", "public"), ("l2", "preview"), ("l3", "private")] {
                    lessons.push(lesson(&owner, &section, &format!("{c}{s}{l}"), status).await);
                }
                sections.push(section);
            }
            courses.push(course);
        }
        let mut products = Vec::new();
        for held in [&courses[..], &courses[..1]] {
            let held: Vec<_> = held.iter().map(String::as_str).collect();
            products.push(product(&owner, "p", 0, &held).await);
        }
        let mut learners = Vec::new();
        for name in ["one", "two", "three"] {
            let learner = app.learner(name);
            let me = id(&learner.get("/v1/me").await.expect(200));
            learners.push((learner, me));
        }
        Self {
            states: [app.state.clone(), state],
            urls: [app.url.clone(), other],
            oracle,
            admins: vec![owner],
            learners,
            courses,
            sections,
            lessons,
            products,
            app,
        }
    }

    /// Changes something at an instance. It need not succeed: what is forbidden changes nothing.
    async fn write(&self, rng: &mut Rng, at: &str) -> String {
        let owner = self.admins[0].at(at);
        let any = |ids: &[String], rng: &mut Rng| rng.choice(ids).unwrap().clone();
        let (course, section) = (any(&self.courses, rng), any(&self.sections, rng));
        let (lesson, product) = (any(&self.lessons, rng), any(&self.products, rng));
        let (learner, me) = rng.choice(&self.learners).unwrap();
        let learner = learner.at(at);
        let name = format!("n{}", rng.u32(..));
        let status = *rng.choice(&["public", "private"]).unwrap();
        let kinds = [
            ("courses", &course),
            ("sections", &section),
            ("lessons", &lesson),
            ("products", &product),
        ];
        let (kind, any_id) = *rng.choice(&kinds).unwrap();
        let (method, path, body) = match rng.u8(0..14) {
            0 => (
                Method::PUT,
                format!("/v1/me/lessons/{lesson}/completion"),
                Value::Null,
            ),
            1 => (
                Method::DELETE,
                format!("/v1/me/lessons/{lesson}/completion"),
                Value::Null,
            ),
            2 => (
                Method::POST,
                format!("/v1/products/{product}/claim"),
                Value::Null,
            ),
            3 => (
                Method::POST,
                format!("/v1/admin/users/{me}/grants"),
                json!({ "courseId": course }),
            ),
            4 | 5 => {
                let access = owner.get(&format!("/v1/admin/users/{me}/access")).await;
                let grants = access.body["data"].as_array().into_iter().flatten();
                let mut grants =
                    grants.flat_map(|course| course["grants"].as_array().unwrap().clone());
                let live =
                    grants.find(|grant| grant["live"] == true && grant["source"] == "manual");
                let grant = live.map_or_else(|| me.clone(), |grant| id(&grant));
                (
                    Method::DELETE,
                    format!("/v1/admin/users/{me}/grants/{grant}"),
                    Value::Null,
                )
            }
            6 => (
                Method::PATCH,
                format!("/v1/admin/{kind}/{any_id}"),
                json!({ "name": name }),
            ),
            7 => (
                Method::DELETE,
                format!("/v1/admin/{kind}/{any_id}"),
                Value::Null,
            ),
            8 => (
                Method::POST,
                format!("/v1/admin/{kind}/{any_id}/restore"),
                Value::Null,
            ),
            9 => (
                Method::PATCH,
                format!("/v1/admin/lessons/{lesson}"),
                json!({ "status": status }),
            ),
            10 => (
                Method::PATCH,
                format!("/v1/admin/sections/{section}"),
                json!({ "status": status }),
            ),
            11 => (
                Method::PATCH,
                format!("/v1/admin/products/{product}"),
                json!({ "courseIds": [course] }),
            ),
            12 => (
                Method::PATCH,
                format!("/v1/admin/users/{me}"),
                json!({ "role": rng.choice(&["user", "admin"]).unwrap() }),
            ),
            _ => (
                Method::PATCH,
                format!("/v1/admin/lessons/{lesson}"),
                json!({ "sectionId": section }),
            ),
        };
        let client = if path.starts_with("/v1/admin/") {
            &owner
        } else {
            &learner
        };
        let mut request = client.request(method.clone(), &path);
        if !body.is_null() {
            request = request.json(&body);
        }
        let reply = client.send(request).await;
        assert!(reply.status.as_u16() < 500, "{}", reply.text);
        format!("{method} {path} {body}: {}", reply.status)
    }

    /// Everything that there is to read.
    fn reads(&self) -> Vec<(Client, String)> {
        let anon = self.app.anon();
        let mut reads = vec![(anon.clone(), "/v1/products".to_owned())];
        reads.push((
            anon.clone(),
            format!("/v1/products?courseId={}&sort=name", self.courses[0]),
        ));
        reads.extend(
            self.products
                .iter()
                .map(|id| (anon.clone(), format!("/v1/products/{id}"))),
        );
        let people = self
            .learners
            .iter()
            .map(|(learner, _)| learner)
            .chain(&self.admins);
        for person in people {
            reads.push((person.clone(), "/v1/me/courses".to_owned()));
            for (course, lessons) in self.courses.iter().zip(self.lessons.chunks(6)) {
                reads.push((person.clone(), format!("/v1/courses/{course}")));
                let lesson = &lessons[1];
                reads.push((
                    person.clone(),
                    format!("/v1/courses/{course}/lessons/{lesson}"),
                ));
                let lesson = &lessons[0];
                reads.push((
                    person.clone(),
                    format!("/v1/courses/{course}/lessons/{lesson}"),
                ));
            }
        }
        reads
    }

    /// Whether somebody may tick each lesson off, or untick it, at an instance.
    async fn ticked(&self, at: &str, learner: &Client, method: &Method) -> Vec<StatusCode> {
        let learner = learner.at(at);
        let replies = self.lessons.iter().map(async |lesson| {
            let path = format!("/v1/me/lessons/{lesson}/completion");
            learner.send(learner.request(method.clone(), &path)).await
        });
        let replies = join_all(replies).await;
        replies.iter().map(|reply| reply.status).collect()
    }

    /// What all the readers are told at an instance.
    async fn told(&self, at: &str) -> Vec<(u16, Option<String>, Value)> {
        let replies = self
            .reads()
            .into_iter()
            .map(|(reader, path)| async move { told(reader.at(at).get(&path).await) });
        join_all(replies).await
    }
}

/// How soon the other instance knows, with a lot of room for a slow machine; the README promises a second.
const HEARD: Duration = Duration::from_secs(10);

/// H: D12
/// H: F10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_instance_says_what_the_database_no_longer_says() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let stores = Stores::open().await;
    let _ears = [
        hears(&stores.states[0]).await,
        hears(&stores.states[1]).await,
    ];
    for step in 0..40 {
        if step % 15 == 7 {
            // From here on they have to find out by themselves that they do not hear.
            let deaf = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')";
            stores.app.db().batch_execute(deaf).unwrap();
        }
        let writer = rng.usize(0..2);
        let (here, there) = (&stores.urls[writer], &stores.urls[1 - writer]);
        // Everybody reads while it is written: what they find, new or old, must not stay as the old.
        let (written, ..) = join(
            stores.write(&mut rng, here),
            join(stores.told(here), stores.told(there)),
        )
        .await;
        let what = format!("seed {seed}, step {step}: {written}");
        let true_now = stores.told(&stores.oracle).await;
        assert_eq!(
            stores.told(here).await,
            true_now,
            "where it was written; {what}"
        );
        let deadline = Instant::now() + HEARD;
        loop {
            let elsewhere = stores.told(there).await;
            if elsewhere == true_now {
                break;
            }
            assert!(Instant::now() < deadline, "elsewhere; {what}");
        }
        // So is what may be ticked off.
        let (learner, _) = rng.choice(&stores.learners).unwrap();
        let method = rng.choice(&[Method::PUT, Method::DELETE]).unwrap();
        let true_now = stores.ticked(&stores.oracle, learner, method).await;
        assert_eq!(
            stores.ticked(here, learner, method).await,
            true_now,
            "{what}"
        );
        while stores.ticked(there, learner, method).await != true_now {
            assert!(Instant::now() < deadline, "ticks elsewhere; {what}");
        }
    }
    for at in &stores.urls {
        let metrics = stores.app.anon().at(at).get("/metrics").await.text;
        let hits = metrics.lines().filter(|line| {
            line.starts_with("lectern_cache_lookups_total") && line.contains("outcome=\"hit\"")
        });
        let hits = hits.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        assert!(hits.sum::<u64>() > 1000, "little was kept");
    }
    stores.app.finish().await;
}
