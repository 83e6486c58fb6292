//! The program as the operator runs it: events come in, are worked on here or elsewhere, and nothing that they say is
//! in the log.

use std::time::{Duration, Instant};

use lectern::db;
use serde_json::{Value, json};
use tokio::time::interval;

use crate::support::app::STRIPE_WEBHOOK_SECRET;
use crate::support::buying::event;
use crate::support::program::Program;
use crate::support::{Client, TestApp, sign_stripe};

async fn send(client: &Client, event: &Value) {
    let body = event.to_string();
    let now = chrono::Utc::now().timestamp();
    let request = client
        .request(reqwest::Method::POST, "/v1/webhooks/stripe")
        .header(
            "stripe-signature",
            sign_stripe(STRIPE_WEBHOOK_SECRET, now, body.as_bytes()),
        );
    client.send(request.body(body)).await.expect(200);
}

async fn until_handled(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut look = interval(Duration::from_millis(20));
    while app.count("webhook_events WHERE status = 'received'") > 0 {
        assert!(Instant::now() < deadline, "the event was not handled");
        look.tick().await;
    }
}

/// H: A23
#[tokio::test]
async fn an_instance_without_jobs_keeps_events_for_one_that_has_only_jobs_and_neither_logs_what_they_say()
 {
    let app = TestApp::start().await;
    let api = Program::start(&app, &["serve", "--no-jobs"]);
    assert!(api.metrics().await.contains("lectern_database_up 1"));
    let told = event(
        "plan.created",
        &json!({ "id": "plan_1", "name": "hunter2" }),
    );
    send(&api.at(&app.anon()), &told).await;
    // Its metrics have a listener of their own, and only that.
    let reply = api.at(&app.anon()).get("/metrics").await;
    reply.expect_problem(404, "not-found");
    assert!(api.metrics().await.contains("lectern_inbox_waiting 1"));

    let jobs = Program::start(&app, &["jobs"]);
    until_handled(&app).await;
    let counted = r#"lectern_webhook_events_total{provider="stripe",outcome="ignored"} 1"#;
    assert!(jobs.metrics().await.contains(counted));
    for program in [api, jobs] {
        let log = program.stop().await;
        assert!(!log.contains("hunter2"), "{log}");
    }
    app.finish().await;
}

/// H: A23
#[tokio::test]
async fn a_whole_instance_receives_and_works_and_logs_ids_and_types_only() {
    let app = TestApp::start().await;
    let whole = Program::start(&app, &["serve"]);
    whole.metrics().await;
    let told = event(
        "plan.created",
        &json!({ "id": "plan_1", "name": "hunter2" }),
    );
    send(&whole.at(&app.anon()), &told).await;
    until_handled(&app).await;
    let log = whole.stop().await;
    assert!(log.contains(told["id"].as_str().unwrap()), "{log}");
    assert!(log.contains("plan.created"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    app.finish().await;
}

#[tokio::test]
async fn ten_instances_that_start_at_once_on_an_empty_database_migrate_it_once() {
    let app = TestApp::start().await;
    db::migrate_down(&mut app.db(), usize::MAX).unwrap();
    let programs: Vec<_> = (0..10).map(|_| Program::start(&app, &["serve"])).collect();
    let mut migrated = 0;
    for program in programs {
        program.ready().await;
        let log = program.stop().await;
        let line = log
            .lines()
            .find(|line| line.contains("migrations are up to date"));
        migrated += usize::from(line.unwrap().contains("000001_audit_columns"));
    }
    assert_eq!(migrated, 1);
    app.finish().await;
}
