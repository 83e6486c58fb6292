//! The program as the operator runs it: events come in, are worked on here or elsewhere, and nothing that they say is
//! in the log.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lectern::db;
use serde_json::{Value, json};
use tokio::time::interval;

use crate::support::app::{CLERK_WEBHOOK_SECRET, STRIPE_WEBHOOK_SECRET};
use crate::support::buying::event;
use crate::support::{Client, TestApp, sign_stripe};

/// An address that nobody has; somebody else might take it before the program does, but hardly ever.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A running program, which ends with the test.
struct Program {
    child: Child,
    address: String,
    metrics: String,
}

impl Program {
    fn start(app: &TestApp, arguments: &[&str]) -> Self {
        let (address, metrics) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_lectern"))
            .args(arguments)
            .env_clear()
            .envs([
                ("DATABASE_URL", app.database_url().as_str()),
                ("BIND_ADDR", &address),
                ("METRICS_ADDR", &metrics),
                ("PUBLIC_URL", "https://api.example.com"),
                ("CLERK_ISSUER", "https://clerk.example.com"),
                ("CLERK_AUTHORIZED_PARTIES", "https://shop.example.com"),
                ("CLERK_WEBHOOK_SECRETS", CLERK_WEBHOOK_SECRET),
                ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
                ("STRIPE_API_URL", "http://127.0.0.1:1"),
                ("STRIPE_WEBHOOK_SECRETS", STRIPE_WEBHOOK_SECRET),
                ("CORS_ORIGINS", "https://shop.example.com"),
                ("RETURN_ORIGINS", "https://shop.example.com"),
            ])
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            child,
            address,
            metrics,
        }
    }

    fn api(&self, app: &TestApp) -> Client {
        app.with_address(&format!("http://{}", self.address), "")
    }

    /// What it tells Prometheus, once it runs.
    async fn metrics(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut look = interval(Duration::from_millis(20));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        loop {
            let asked = http.get(format!("http://{}/metrics", self.metrics));
            match asked.send().await {
                Ok(reply) => {
                    assert_eq!(reply.status(), 200);
                    return reply.text().await.unwrap();
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            look.tick().await;
        }
    }

    /// Tells it to end and returns all that it has logged.
    fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
        let mut log = String::new();
        let mut out = BufReader::new(self.child.stdout.take().unwrap());
        while out.read_line(&mut log).unwrap() > 0 {}
        let mut err = self.child.stderr.take().unwrap();
        err.read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended by itself when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
    send(&api.api(&app), &told).await;
    // Its metrics have a listener of their own, and only that.
    let reply = api.api(&app).get("/metrics").await;
    reply.expect_problem(404, "not-found");
    assert!(api.metrics().await.contains("lectern_inbox_waiting 1"));

    let jobs = Program::start(&app, &["jobs"]);
    until_handled(&app).await;
    let counted = r#"lectern_webhook_events_total{provider="stripe",outcome="ignored"} 1"#;
    assert!(jobs.metrics().await.contains(counted));
    for program in [api, jobs] {
        let log = program.stop();
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
    send(&whole.api(&app), &told).await;
    until_handled(&app).await;
    let log = whole.stop();
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
        program.metrics().await;
        program.api(&app).get("/readyz").await.expect(200);
        let log = program.stop();
        assert!(log.contains("migrations are up to date"), "{log}");
        migrated += log.matches("000001_audit_columns").count();
    }
    assert_eq!(migrated, 1);
    app.finish().await;
}
