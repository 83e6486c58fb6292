//! More is asked of the database than it answers.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use futures_util::future::{join, join_all, join3};
use lectern::jobs::worker;
use serde_json::json;
use tokio::time::sleep;

use crate::support::TestApp;
use crate::support::buying::event;

/// H: A8
#[tokio::test]
async fn who_comes_to_a_queue_that_stands_is_sent_away_at_once_but_no_worker_is_and_nobody_when_it_is_gone()
 {
    let app = TestApp::start_with(&[("DATABASE_POOL_SIZE", "1")]).await;
    app.stripe_event(&event("plan.created", &json!({})))
        .await
        .expect(200);
    let anon = app.anon();
    anon.get("/v1/products").await.expect(200);
    let (release, held) = channel::<()>();
    // The only connection is busy until the last one has come.
    let busy = app.state.db.read(move |_| {
        let _ = held.recv();
        Ok(())
    });
    let people = join_all((0..23).map(|n| {
        let anon = &anon;
        async move {
            sleep(Duration::from_millis(100) * n).await;
            let begun = Instant::now();
            let reply = anon.get("/v1/products").await;
            // The first second is a rush that may pass.
            (n > 15).then(|| (reply, begun.elapsed()))
        }
    }));
    let late = async {
        sleep(Duration::from_millis(2200)).await;
        let worker = worker::handle_due_events(&app.state);
        let end = async {
            sleep(Duration::from_millis(500)).await;
            release.send(()).unwrap();
        };
        join(worker, end).await.0
    };
    let (busy, people, handled) = join3(busy, people, late).await;
    busy.unwrap();
    assert_eq!(handled.unwrap(), 1);
    assert_eq!(
        app.count("webhook_events WHERE attempts = 1 AND status = 'ignored'"),
        1
    );
    for (reply, waited) in people.into_iter().flatten() {
        assert_eq!(reply.header("retry-after"), "1");
        reply.expect_problem(503, "database-unavailable");
        assert!(waited < Duration::from_millis(500), "{waited:?}");
    }
    for reply in join_all((0..20).map(|_| anon.get("/v1/products"))).await {
        reply.expect(200);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_few_who_ask_again_as_soon_as_they_are_answered_are_never_sent_away() {
    let app = TestApp::start_with(&[("DATABASE_POOL_SIZE", "1"), ("CACHE_MIB", "0")]).await;
    let end = Instant::now() + Duration::from_millis(2500);
    // There is always somebody who waits for the only connection, and nobody for long.
    let work = join_all((0..2).map(|_| async {
        while Instant::now() < end {
            let work = |conn: &mut PgConnection| Ok(conn.batch_execute("SELECT pg_sleep(0.01)")?);
            app.state.db.read(work).await.unwrap();
        }
    }));
    let visits = async {
        while Instant::now() < end {
            app.anon().get("/v1/products").await.expect(200);
        }
    };
    join(work, visits).await;
    app.finish().await;
}
