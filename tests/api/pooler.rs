//! The store behind PgBouncer in transaction mode, where every transaction may have another server session.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::buying::event;
use crate::support::cluster::Database;
use crate::support::instance::until;
use crate::support::pgbouncer::PgBouncer;
use crate::support::refunding::Sale;
use crate::support::shop::{course, id, product};
use crate::support::{Reply, Shop, TestApp};

/// A store whose every statement goes through PgBouncer, and what else it is told of the database.
async fn behind_pgbouncer(knows_the_way_around: bool) -> (PgBouncer, TestApp) {
    let database = Database::create();
    let direct = database.url();
    let pooler = PgBouncer::start(&direct);
    // Many more than the pooler has, and nobody waits for one of them.
    let mut variables = vec![
        ("DATABASE_URL", pooler.url.as_str()),
        ("DATABASE_POOL_SIZE", "40"),
    ];
    if knows_the_way_around {
        variables.push(("DATABASE_DIRECT_URL", &direct));
    }
    let app = TestApp::start_on(database, &variables).await;
    (pooler, app)
}

#[tokio::test]
#[ignore = "needs pgbouncer"]
async fn people_buy_learn_and_get_their_money_back_through_pgbouncer() {
    let (_pooler, app) = behind_pgbouncer(true).await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let completion = format!("/v1/me/lessons/{}/completion", shop.welcome);
    sale.learner.put(&completion).await.expect(204);
    let player = format!("/v1/courses/{}", shop.course);
    let player = sale.learner.get(&player).await.expect(200);
    assert_eq!(player["completedLessonCount"], 1);
    sale.refund(json!({ "revokeAccess": true })).await;
    app.settle().await;
    sale.holds(4900, "refunded", false).await;
    app.finish().await;
}

/// What is noted for a transaction has to be noted in the session that it runs in, and in no other.
#[tokio::test]
#[ignore = "needs pgbouncer"]
async fn the_audit_log_and_idempotency_hold_through_pgbouncer_however_many_ask_at_once() {
    let (_pooler, app) = behind_pgbouncer(true).await;
    let admin = app.admin();
    let held = course(&admin, "Held").await;
    let free = product(&admin, "Free", 0, &[&held]).await;
    let claim = format!("/v1/products/{free}/claim");
    let people: Vec<_> = (0..32).map(|n| app.learner(&format!("l{n}"))).collect();
    let edits = join_all((0..32).map(|n| {
        let (admin, name) = (admin.clone(), format!("Course {n}"));
        async move { course(&admin, &name).await }
    }));
    let claims = join_all(people.iter().map(|person| {
        let key = Uuid::new_v4().to_string();
        let claim = &claim;
        let ask = move |key: String| {
            person.send(
                person
                    .request(Method::POST, claim)
                    .header("idempotency-key", key),
            )
        };
        async move {
            (
                ask(key.clone()).await.expect(201),
                ask(key).await.expect(201),
            )
        }
    }));
    let (edited, claimed) = join(edits, claims).await;
    for (first, again) in claimed {
        assert_eq!(first, again);
    }
    let me = id(&admin.get("/v1/me").await.expect(200));
    for course in edited {
        let log = format!("/v1/admin/audit-log?entityId={course}");
        let log = admin.get(&log).await.expect(200);
        assert_eq!(log["data"][0]["actorId"], me);
    }
    assert_eq!(app.count("purchases"), 32);
    app.finish().await;
}

#[tokio::test]
#[ignore = "needs pgbouncer"]
async fn around_pgbouncer_commits_are_heard() {
    let (_pooler, app) = behind_pgbouncer(true).await;
    let _listener = app.state.listen().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !app.state.hearing.is_current() {
        assert!(Instant::now() < deadline, "nothing is heard");
        tokio::task::yield_now().await;
    }
    app.finish().await;
}

#[tokio::test]
#[ignore = "needs pgbouncer"]
async fn through_pgbouncer_alone_nothing_is_believed_to_be_heard_and_the_store_is_right() {
    let (pooler, app) = behind_pgbouncer(false).await;
    let refused = lectern::db::connect_directly(&pooler.url.as_str().into());
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("DATABASE_DIRECT_URL"), "{refused}");
    let _listener = app.state.listen().unwrap();
    let shop = Shop::open(&app).await;
    Sale::of(&app, &shop, "one").await;
    app.stripe_event(&event("plan.created", &json!({})))
        .await
        .expect(200);
    assert!(!app.state.hearing.is_current());
    app.finish().await;
}

#[tokio::test]
#[ignore = "needs pgbouncer"]
async fn while_pgbouncer_is_away_people_are_put_off_and_afterwards_all_goes_on() {
    let (mut pooler, app) = behind_pgbouncer(true).await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "one").await;
    let completion = format!("/v1/me/lessons/{}/completion", shop.welcome);
    let (served, refused, over) = (Cell::new(0), Cell::new(0), Cell::new(false));
    let note = |reply: Reply| {
        if reply.status.is_success() {
            served.set(served.get() + 1);
        } else {
            reply.expect_problem(503, "database-unavailable");
            refused.set(refused.get() + 1);
        }
    };
    let people = join_all((0..8).map(|_| async {
        while !over.get() {
            note(sale.learner.put(&completion).await);
            note(sale.learner.get("/v1/me/purchases").await);
        }
    }));
    let outage = async {
        until("people are served", async || served.get() > 100).await;
        pooler.kill();
        until("people are put off", async || refused.get() > 16).await;
        pooler.restart();
        let before = served.get();
        until("people are served again", async || {
            served.get() > before + 300
        })
        .await;
        over.set(true);
    };
    join(people, outage).await;
    app.finish().await;
}
