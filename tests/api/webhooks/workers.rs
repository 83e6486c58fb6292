//! Several workers on several instances: nothing is lost, nothing is done twice, and one that ends leaves nothing taken.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use lectern::app::AppState;
use lectern::jobs::worker;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::interval;

use crate::support::TestApp;
use crate::support::buying::event;

/// Waits until as many rows are there, however busy the machine is.
async fn until(app: &TestApp, from: &str, wanted: i64) {
    let deadline = Instant::now() + Duration::from_secs(240);
    let mut look = interval(Duration::from_millis(20));
    while app.count(from) != wanted {
        assert!(Instant::now() < deadline, "{from}: not {wanted} in time");
        look.tick().await;
    }
}

/// Another instance on the same database.
fn instance(app: &TestApp) -> AppState {
    AppState::new(app.state.config.clone()).unwrap()
}

/// So many events, most of which change one of fifty people; each that is handled leaves a row in `effects`.
fn burst(count: u32) -> String {
    format!(
        "CREATE TABLE effects (event_id text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO effects VALUES (NEW.event_id); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER UPDATE OF status ON webhook_events
             FOR EACH ROW WHEN (NEW.processed_at IS NOT NULL) EXECUTE FUNCTION note();
         INSERT INTO webhook_events (provider, event_id, type, payload)
         SELECT
             (CASE WHEN n % 10 = 0 THEN 'stripe' ELSE 'clerk' END)::webhook_provider,
             'evt_' || n,
             CASE WHEN n % 10 = 0 THEN 'plan.created' ELSE 'user.updated' END,
             CASE WHEN n % 10 = 0 THEN '{{\"data\": {{\"object\": {{}}}}}}' ELSE jsonb_build_object(
                 'instance_id', 'ins_1',
                 'data', jsonb_build_object('id', 'user_' || n % 50, 'first_name', n::text, 'updated_at', n)
             ) END
         FROM generate_series(1, {count}) AS n"
    )
}

/// H: A8, A13
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_with_two_workers_each_handle_five_thousand_events_once_each() {
    let app = TestApp::start().await;
    app.put_off_the_pass();
    app.sql(&burst(5000));
    // One of them is poisoned: only its own effect fails, however often, because nothing newer is told of the person.
    app.sql("ALTER TABLE users ADD CONSTRAINT poison CHECK (name <> '4992')");
    let instances = [instance(&app), instance(&app)];
    let listeners = instances.clone().map(|state| state.listen().unwrap());
    let (stop, stopped) = watch::channel(false);
    let workers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(worker::run(instances[n % 2].clone(), stopped.clone())))
        .collect();
    until(&app, "webhook_events WHERE status = 'received'", 1).await;
    stop.send_replace(true);
    for worker in workers {
        worker.await.unwrap();
    }
    drop(listeners);
    assert_eq!(app.count("effects"), 4999);
    assert_eq!(
        app.count("(SELECT DISTINCT event_id FROM effects) AS e"),
        4999
    );
    let done = "webhook_events WHERE attempts = 1 AND status = CASE provider
        WHEN 'clerk' THEN 'processed' ELSE 'ignored' END::webhook_event_status";
    assert_eq!(app.count(done), 4999);
    let poisoned = "webhook_events WHERE event_id = 'evt_4992' AND last_error = 'internal-error'";
    assert_eq!(app.count(poisoned), 1);
    // Each of them knows the newest of the hundred events about them, but for the one whose newest is poisoned.
    let newest = "users WHERE name::int > 4950 AND 'user_' || name::int % 50 = clerk_user_id";
    assert_eq!(app.count(newest), 44);
    app.finish_with_work_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_told_to_stop_finishes_what_it_has_begun_and_gives_back_the_rest() {
    let app = TestApp::start().await;
    app.put_off_the_pass();
    app.sql(&burst(300));
    // Nobody gets anywhere, so that the worker is stopped with its hands full.
    let mut holder = app.db();
    holder
        .batch_execute("BEGIN; LOCK TABLE users IN SHARE MODE")
        .unwrap();
    let (stop, stopped) = watch::channel(false);
    let worker = tokio::spawn(worker::run(instance(&app), stopped));
    until(
        &app,
        "webhook_events WHERE attempts > 0 AND due_at > now()",
        32,
    )
    .await;
    stop.send_replace(true);
    until(
        &app,
        "webhook_events WHERE attempts > 0 AND due_at > now()",
        4,
    )
    .await;
    assert!(!worker.is_finished(), "it ends before its work does");
    holder.batch_execute("COMMIT").unwrap();
    worker.await.unwrap();
    let left = "webhook_events WHERE status = 'received'";
    assert_eq!(app.count(left), 300 - app.count("effects"));
    assert_eq!(
        app.count(&format!("{left} AND attempts = 0 AND due_at <= now()")),
        app.count(left)
    );
    app.finish().await;
}

/// H: A13
#[tokio::test]
async fn an_event_that_ends_every_worker_is_given_up_and_so_is_such_a_job() {
    let app = TestApp::start().await;
    app.stripe_event(&event("plan.created", &json!({})))
        .await
        .expect(200);
    app.sql(
        "UPDATE webhook_events SET attempts = 12;
         INSERT INTO jobs (payload, attempts)
         VALUES ('{\"kind\": \"refresh_payment\", \"purchase_id\": \"00000000-0000-4000-8000-000000000000\"}', 12)",
    );
    app.work().await;
    let given_up = "status = 'dead' AND last_error LIKE 'abandoned:%'";
    assert_eq!(app.count(&format!("webhook_events WHERE {given_up}")), 1);
    assert_eq!(app.count(&format!("jobs WHERE {given_up}")), 1);
    app.finish_with_work_left().await;
}

#[tokio::test]
async fn a_job_that_nobody_understands_is_put_off_and_given_up_and_others_go_on() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO jobs (payload) VALUES
         ('{\"kind\": \"from_the_future\"}'), ('{\"kind\": \"refresh_payment\"}'), ('{\"kind\": 7}')",
    );
    app.work().await;
    let waiting = "jobs WHERE status = 'pending' AND attempts = 1 AND due_at > now()";
    assert_eq!(app.count(waiting), 3);
    for _ in 1..12 {
        app.work_again().await;
    }
    let dead = "jobs WHERE status = 'dead' AND attempts = 12 AND last_error = 'internal-error'";
    assert_eq!(app.count(dead), 3);
    app.finish_with_work_left().await;
}

/// H: A12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_are_answered_while_the_work_on_them_stands_still() {
    let app = TestApp::start().await;
    app.put_off_the_pass();
    let mut holder = app.db();
    holder
        .batch_execute("BEGIN; LOCK TABLE users IN SHARE MODE")
        .unwrap();
    let (stop, stopped) = watch::channel(false);
    let listener = app.state.listen().unwrap();
    let worker = tokio::spawn(worker::run(app.state.clone(), stopped));
    for n in 0..40 {
        let told = json!({ "type": "user.created", "data": { "id": format!("user_{n}") } });
        assert_eq!(app.clerk.deliver(&told).await.unwrap(), 200);
    }
    assert_eq!(app.count("webhook_events WHERE status = 'received'"), 40);
    holder.batch_execute("COMMIT").unwrap();
    until(&app, "webhook_events WHERE status = 'processed'", 40).await;
    stop.send_replace(true);
    worker.await.unwrap();
    drop(listener);
    app.finish().await;
}
