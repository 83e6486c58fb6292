//! Reads on a streaming replica: only when it has what they depend on, and without anybody noticing when it fails.

use std::sync::atomic::{AtomicU8, Ordering};

use lectern::app::AppState;
use lectern::db::Follower;
use lectern::listener::Listener;
use serde_json::{Value, json};

use crate::support::cluster::Database;
use crate::support::instance::until;
use crate::support::replication::Pair;
use crate::support::{Client, Shop, TestApp};

/// What an instance needs before it reads from its replica. It ends with this value.
struct Ears {
    _listener: Listener,
    _follower: Follower,
}

impl Ears {
    async fn of(state: &AppState) -> Self {
        let ears = Self {
            _listener: state.listen().unwrap(),
            _follower: state.follow_replica().unwrap().unwrap(),
        };
        until("the instance hears", async || state.hearing.is_current()).await;
        ears
    }
}

/// A store with a replica. It keeps nothing in memory, so that all that it tells it has read.
async fn with_replica(pair: &Pair) -> TestApp {
    let replica = pair.standby.url();
    let variables = [("DATABASE_REPLICA_URL", &*replica), ("CACHE_MIB", "0")];
    TestApp::start_on(Database::at(&pair.primary.url()), &variables).await
}

/// Reads an address of the instance with this state: what it says, and whether the replica was asked.
async fn read(state: &AppState, client: &Client, path: &str) -> (Value, bool) {
    let replica = state.db.replica().unwrap();
    let before = replica.statements();
    let body = client.get(path).await.expect(200);
    (body, replica.statements() > before)
}

/// Waits until the replica has all that an answer depends on.
async fn reads_there(state: &AppState, client: &Client, path: &str) {
    let what = format!("{path} is read from the replica");
    until(&what, async || read(state, client, path).await.1).await;
}

#[tokio::test]
async fn who_ticks_a_lesson_off_sees_it_at_once_while_the_others_are_read_the_replica() {
    let pair = Pair::start(false);
    let mut app = with_replica(&pair).await;
    let (elsewhere, other) = app.another(&[]);
    let states = [app.state.clone(), other];
    let _ears = (Ears::of(&states[0]).await, Ears::of(&states[1]).await);
    let shop = Shop::open_at(&app, 0).await;
    let (learner, classmate) = (app.learner("one"), app.learner("two"));
    for learner in [&learner, &classmate] {
        learner.claim(&shop.product).await;
    }
    let player = format!("/v1/courses/{}", shop.course);
    let detail = format!("/v1/products/{}", shop.product);
    let paths = ["/v1/products", &detail, "/v1/me/courses", &player];
    let classmates = [&classmate, &classmate.at(&elsewhere)];
    for (state, classmate) in states.iter().zip(classmates) {
        for path in paths {
            reads_there(state, classmate, path).await;
        }
    }
    reads_there(&states[0], &learner, &player).await;

    pair.standby.sql("SELECT pg_wal_replay_pause()");
    let completion = format!("/v1/me/lessons/{}/completion", shop.welcome);
    learner.put(&completion).await.expect(204);
    for path in [&player, "/v1/me/courses"] {
        let (body, on_replica) = read(&states[0], &learner, path).await;
        let course = body.get("data").map_or(&body, |data| &data[0]);
        assert_eq!(course["completedLessonCount"], 1, "{path} is stale");
        assert!(!on_replica, "the replica does not have it");
    }
    let there = learner.at(&elsewhere);
    until("the other instance has heard", async || {
        there.get(&player).await.expect(200)["completedLessonCount"] == 1
    })
    .await;
    for (state, classmate) in states.iter().zip(classmates) {
        for path in paths {
            let (_, on_replica) = read(state, classmate, path).await;
            assert!(on_replica, "{path} is not read from the replica");
        }
    }

    pair.standby.sql("SELECT pg_wal_replay_resume()");
    reads_there(&states[0], &learner, &player).await;
    let (body, _) = read(&states[0], &learner, &player).await;
    assert_eq!(body["completedLessonCount"], 1);
    app.finish().await;
}

#[tokio::test]
async fn everybody_sees_at_once_what_the_owner_changes() {
    let pair = Pair::start(false);
    let app = with_replica(&pair).await;
    let _ears = Ears::of(&app.state).await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    learner.claim(&shop.product).await;
    let player = format!("/v1/courses/{}", shop.course);
    let detail = format!("/v1/products/{}", shop.product);
    for path in ["/v1/products", &player, &detail, "/v1/me/courses"] {
        reads_there(&app.state, &learner, path).await;
    }
    pair.standby.sql("SELECT pg_wal_replay_pause()");
    let path = format!("/v1/admin/courses/{}", shop.course);
    admin.change(&path, json!({ "name": "Renamed" })).await;
    for path in [&player, &detail, "/v1/me/courses"] {
        let (body, _) = read(&app.state, &learner, path).await;
        assert!(body.to_string().contains("Renamed"), "{path} is stale");
    }
    // It names no courses.
    assert!(read(&app.state, &learner, "/v1/products").await.1);
    let path = format!("/v1/admin/products/{}", shop.product);
    admin.change(&path, json!({ "name": "Renamed" })).await;
    let (list, on_replica) = read(&app.state, &learner, "/v1/products").await;
    assert_eq!(
        (&list["data"][0]["name"], on_replica),
        (&json!("Renamed"), false)
    );
    pair.standby.sql("SELECT pg_wal_replay_resume()");
    for path in ["/v1/products", &player, &detail, "/v1/me/courses"] {
        reads_there(&app.state, &learner, path).await;
        let (body, _) = read(&app.state, &learner, path).await;
        assert!(body.to_string().contains("Renamed"), "{path} is stale");
    }
    app.finish().await;
}

/// H: D12
#[tokio::test]
async fn access_that_was_taken_is_gone_at_once_however_far_the_replica_is_behind() {
    let pair = Pair::start(false);
    let app = with_replica(&pair).await;
    let _ears = Ears::of(&app.state).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let shop = Shop::open(&app).await;
    let grant = shop.give(&admin, &learner).await;
    let player = format!("/v1/courses/{}", shop.course);
    reads_there(&app.state, &learner, &player).await;
    pair.standby.sql("SELECT pg_wal_replay_pause()");
    admin.delete(&grant).await.expect(204);
    learner
        .get(&player)
        .await
        .expect_problem(403, "course-access-required");
    let (mine, on_replica) = read(&app.state, &learner, "/v1/me/courses").await;
    assert_eq!((&mine["data"], on_replica), (&json!([]), false));
    app.finish().await;
}

#[tokio::test]
async fn what_was_read_from_a_replica_is_kept_until_it_changes() {
    let pair = Pair::start(false);
    let replica = pair.standby.url();
    let variables = [("DATABASE_REPLICA_URL", &*replica)];
    let app = TestApp::start_on(Database::at(&pair.primary.url()), &variables).await;
    let _ears = Ears::of(&app.state).await;
    let shop = Shop::open(&app).await;
    let detail = format!("/v1/products/{}", shop.product);
    // Another address each time: what came from the primary at first is kept as well.
    let limit = AtomicU8::new(0);
    until("what was read there is not read again", async || {
        let limit = limit.fetch_add(1, Ordering::Relaxed) % 100 + 1;
        let path = format!("/v1/products?limit={limit}");
        let (_, on_replica) = read(&app.state, &app.anon(), &path).await;
        let statements = app.state.db.statements();
        let (_, again) = read(&app.state, &app.anon(), &path).await;
        on_replica && !again && app.state.db.statements() == statements
    })
    .await;
    pair.standby.sql("SELECT pg_wal_replay_pause()");
    let path = format!("/v1/admin/products/{}", shop.product);
    for name in ["A", "B"] {
        app.admin().change(&path, json!({ "name": name })).await;
        let (product, on_replica) = read(&app.state, &app.anon(), &detail).await;
        assert_eq!((&product["name"], on_replica), (&json!(name), false));
    }
    app.finish().await;
}

#[tokio::test]
async fn nobody_notices_that_a_replica_dies_and_it_is_read_again_once_it_is_back() {
    let mut pair = Pair::start(false);
    let app = with_replica(&pair).await;
    let _ears = Ears::of(&app.state).await;
    let anon = app.anon();
    reads_there(&app.state, &anon, "/v1/products").await;
    // Its connections are there, and nobody at their other ends.
    pair.standby.kill();
    for _ in 0..10 {
        anon.get("/v1/products").await.expect(200);
    }
    let replica = app.state.db.replica().unwrap();
    until("it is left alone", async || replica.lag().is_infinite()).await;
    assert!(!read(&app.state, &anon, "/v1/products").await.1);
    pair.standby.restart();
    reads_there(&app.state, &anon, "/v1/products").await;
    app.finish().await;
}

#[tokio::test]
async fn what_a_replica_forgets_in_a_crash_is_told_by_the_primary() {
    let mut pair = Pair::start(false);
    let app = with_replica(&pair).await;
    let _ears = Ears::of(&app.state).await;
    let shop = Shop::open(&app).await;
    let detail = format!("/v1/products/{}", shop.product);
    // From its restart on, it replays nothing that is younger than an hour.
    pair.standby.sql("CHECKPOINT");
    pair.standby
        .sql("ALTER SYSTEM SET recovery_min_apply_delay = '1h'");
    let path = format!("/v1/admin/products/{}", shop.product);
    app.admin().change(&path, json!({ "name": "New" })).await;
    reads_there(&app.state, &app.anon(), &detail).await;
    pair.standby.kill();
    pair.standby.restart();
    let replica = app.state.db.replica().unwrap();
    until("it is left alone", async || {
        let (product, _) = read(&app.state, &app.anon(), &detail).await;
        assert_eq!(product["name"], "New", "it is stale");
        replica.lag().is_infinite()
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn a_replica_that_becomes_a_primary_is_left_alone() {
    let pair = Pair::start(false);
    let app = with_replica(&pair).await;
    let _ears = Ears::of(&app.state).await;
    reads_there(&app.state, &app.anon(), "/v1/products").await;
    pair.standby.sql("SELECT pg_promote()");
    let replica = app.state.db.replica().unwrap();
    until("it is left alone", async || replica.lag().is_infinite()).await;
    assert!(!read(&app.state, &app.anon(), "/v1/products").await.1);
    app.finish().await;
}
