//! Reads on a streaming replica: only when it has what they depend on, and without anybody noticing when it fails.

use std::time::Instant;

use diesel::dsl::count_star;
use diesel::prelude::*;
use lectern::db::Follower;
use lectern::schema::courses;

use crate::support::cluster::Database;
use crate::support::instance::until;
use crate::support::replication::Pair;
use crate::support::shop::course;
use crate::support::{Client, TestApp};

/// A store with a replica that it follows.
async fn with_replica(pair: &Pair) -> (TestApp, Follower) {
    let replica = pair.standby.url();
    let variables = [("DATABASE_REPLICA_URL", replica.as_str())];
    let app = TestApp::start_on(Database::at(&pair.primary.url()), &variables).await;
    let follower = app.state.follow_replica().unwrap().unwrap();
    (app, follower)
}

/// Waits until the replica has what was committed so far.
async fn caught_up(app: &TestApp) {
    let now = Instant::now();
    until("the replica has it", async || has(app, now)).await;
}

/// Whether the replica has what was committed before a moment.
fn has(app: &TestApp, moment: Instant) -> bool {
    app.state.db.replica().unwrap().lag() < moment.elapsed().as_secs_f64()
}

/// How many courses there are, for somebody who has to know what was committed before a moment; and whether the
/// replica was asked.
async fn courses_since(app: &TestApp, moment: Instant) -> (i64, bool) {
    let replica = app.state.db.replica().unwrap();
    let before = replica.statements();
    let count = |conn: &mut PgConnection, _: Instant| {
        Ok(courses::table.select(count_star()).get_result(conn)?)
    };
    let db = &app.state.db;
    let counted = db.read_anywhere(|complete| complete > moment, count).await;
    (counted.unwrap(), replica.statements() > before)
}

async fn add(admin: &Client) -> Instant {
    course(admin, "One more").await;
    Instant::now()
}

#[tokio::test]
async fn the_replica_is_read_once_it_has_what_the_answer_depends_on_and_not_before() {
    let pair = Pair::start(false);
    let (app, _follower) = with_replica(&pair).await;
    let admin = app.admin();
    let first = add(&admin).await;
    caught_up(&app).await;
    assert_eq!(courses_since(&app, first).await, (1, true));
    pair.standby.sql("SELECT pg_wal_replay_pause()");
    let second = add(&admin).await;
    assert_eq!(courses_since(&app, second).await, (2, false));
    // Whoever depends on nothing of that may read what the replica has.
    assert_eq!(courses_since(&app, first).await, (1, true));
    pair.standby.sql("SELECT pg_wal_replay_resume()");
    caught_up(&app).await;
    assert_eq!(courses_since(&app, second).await, (2, true));
    app.finish().await;
}

#[tokio::test]
async fn a_replica_that_dies_or_becomes_a_primary_is_left_alone_and_nobody_notices() {
    let mut pair = Pair::start(false);
    let (app, _follower) = with_replica(&pair).await;
    let since = add(&app.admin()).await;
    caught_up(&app).await;
    assert_eq!(courses_since(&app, since).await, (1, true));
    pair.standby.sql("SELECT pg_promote()");
    until("it is left alone", async || !has(&app, since)).await;
    assert_eq!(courses_since(&app, since).await, (1, false));
    pair.standby.kill();
    assert_eq!(courses_since(&app, since).await, (1, false));
    app.finish().await;
}

#[tokio::test]
async fn a_read_that_the_replica_breaks_off_is_answered_by_the_primary() {
    let mut pair = Pair::start(false);
    let (app, _follower) = with_replica(&pair).await;
    let since = add(&app.admin()).await;
    caught_up(&app).await;
    assert_eq!(courses_since(&app, since).await, (1, true));
    // It dies between two comparisons: the connection is there, and nobody at its other end.
    pair.standby.kill();
    assert_eq!(courses_since(&app, since).await.0, 1);
    app.finish().await;
}
