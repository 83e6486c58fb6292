//! What the operator's Prometheus is told, and who else.

use diesel::connection::SimpleConnection;
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;

use crate::support::buying::event;
use crate::support::{Client, Shop, TestApp};

/// The value of a series, zero when there is none.
fn value(text: &str, series: &str) -> f64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(series));
    let mut values = lines.filter_map(|rest| rest.strip_prefix(' ')?.parse().ok());
    values.next().unwrap_or_default()
}

async fn scrape(client: &Client) -> String {
    let reply = client.get("/metrics").await;
    assert_eq!(reply.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), kind);
    assert_eq!(reply.header("cache-control"), "private, no-store");
    assert!(reply.text.ends_with("# EOF\n"));
    reply.text
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_what_callers_make_up() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let anon = app.anon();
    for _ in 0..3 {
        anon.get(&format!("/v1/products/{}", shop.product))
            .await
            .expect(200);
    }
    anon.get("/v1/products/0?secret=hunter2").await;
    anon.get("/hunter2").await;
    anon.send(anon.request(Method::from_bytes(b"HUNTER2").unwrap(), "/v1/products"))
        .await;
    let text = scrape(&anon).await;
    let product = |status| {
        format!(
            r#"lectern_http_requests_total{{method="GET",route="/v1/products/{{id}}",status="{status}"}}"#
        )
    };
    assert_eq!(value(&text, &product(200)), 3.0);
    assert_eq!(value(&text, &product(404)), 1.0);
    let timed =
        r#"lectern_http_request_duration_seconds_count{method="GET",route="/v1/products/{id}"}"#;
    assert_eq!(value(&text, timed), 4.0);
    let nowhere = r#"lectern_http_requests_total{method="GET",route="none",status="404"}"#;
    assert_eq!(value(&text, nowhere), 1.0);
    assert!(
        !text.contains("hunter2") && !text.contains("HUNTER2"),
        "{text}"
    );
    assert!(!text.contains(&shop.product));
    app.finish().await;
}

#[tokio::test]
async fn the_inbox_and_the_outbox_are_measured_and_what_becomes_of_work_is_counted() {
    let app = TestApp::start().await;
    let anon = app.anon();
    let before = scrape(&anon).await;
    for series in [
        "inbox_waiting",
        "inbox_lag_seconds",
        "inbox_dead",
        "outbox_waiting",
    ] {
        assert!(before.contains(&format!("lectern_{series} 0")), "{before}");
    }
    assert_eq!(value(&before, "lectern_database_up"), 1.0);
    assert_eq!(value(&before, "lectern_database_connections_limit"), 6.0);
    assert_eq!(value(&before, "lectern_listener_current"), 0.0);
    assert!(before.contains(concat!(
        "lectern_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\",revision=\"unknown\"} 1"
    )));

    app.stripe_event(&event("plan.created", &json!({})))
        .await
        .expect(200);
    app.sql(
        "UPDATE webhook_events SET due_at = now() - interval '90 s';
         INSERT INTO jobs (payload, due_at) VALUES ('{\"kind\": \"unknown\"}', now() - interval '30 s'),
             ('{\"kind\": \"later\"}', now() + interval '1 h');
         INSERT INTO jobs (payload, status) VALUES ('{\"kind\": \"dead\"}', 'dead')",
    );
    let waiting = scrape(&anon).await;
    assert_eq!(value(&waiting, "lectern_inbox_waiting"), 1.0);
    assert_eq!(value(&waiting, "lectern_outbox_waiting"), 2.0);
    assert_eq!(value(&waiting, "lectern_outbox_dead"), 1.0);
    assert!((90.0..120.0).contains(&value(&waiting, "lectern_inbox_lag_seconds")));
    assert!((30.0..60.0).contains(&value(&waiting, "lectern_outbox_lag_seconds")));

    app.work().await;
    let refused = anon.post("/v1/webhooks/stripe", json!({})).await;
    refused.expect_problem(400, "bad-signature");
    let after = scrape(&anon).await;
    for (series, wanted) in [
        (
            r#"webhook_events_total{provider="stripe",outcome="ignored"}"#,
            1.0,
        ),
        (
            r#"webhook_events_ignored_total{provider="stripe",reason="events of this type are not used"}"#,
            1.0,
        ),
        (r#"jobs_total{kind="unknown",outcome="retried"}"#, 1.0),
        (
            r#"webhook_signatures_refused_total{provider="stripe",reason="missing"}"#,
            1.0,
        ),
        ("inbox_waiting", 0.0),
        ("inbox_lag_seconds", 0.0),
        ("outbox_lag_seconds", 0.0),
    ] {
        assert_eq!(
            value(&after, &format!("lectern_{series}")),
            wanted,
            "{series}"
        );
    }
    app.finish_with_work_left().await;
}

#[tokio::test]
async fn calls_to_stripe_are_counted_by_what_came_of_them() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    shop.buy(&app, &app.learner("one")).await;
    let text = scrape(&app.anon()).await;
    let answered = r#"lectern_provider_calls_total{provider="stripe",outcome="ok"}"#;
    assert_eq!(value(&text, answered), app.stripe.requests().len() as f64);
    app.finish().await;
}

#[tokio::test]
async fn without_a_database_the_rest_is_told() {
    let app = TestApp::start().await;
    app.cut_database();
    let text = scrape(&app.anon()).await;
    assert_eq!(value(&text, "lectern_database_up"), 0.0);
    app.restore_database();
    app.finish().await;
}

#[tokio::test]
async fn a_scrape_does_not_wait_for_a_full_pool_and_does_not_take_it_for_an_outage() {
    let app = TestApp::start().await;
    let mut holder = app.db();
    holder.batch_execute("BEGIN; LOCK TABLE products").unwrap();
    let size = app.state.config.database_pool_size;
    let visits = join_all((0..size).map(|_| async { app.anon().get("/v1/products").await }));
    let scraped = async {
        app.waits_for_locks(size.into()).await;
        let text = scrape(&app.anon()).await;
        // Told while everybody still waits.
        holder.batch_execute("COMMIT").unwrap();
        text
    };
    scrape(&app.anon()).await;
    let (visits, text) = join(visits, scraped).await;
    for visit in visits {
        visit.expect(200);
    }
    assert_eq!(value(&text, "lectern_database_up"), 1.0);
    assert_eq!(value(&text, "lectern_database_connections_in_use"), 6.0);
    app.finish().await;
}

#[tokio::test]
async fn nobody_gets_the_metrics_through_a_proxy_or_under_the_stores_public_name() {
    let app = TestApp::start().await;
    let anon = app.anon();
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
        ("x-real-ip", "127.0.0.1"),
        ("host", "api.example.com"),
        ("host", "api.example.com:80"),
        ("host", "127.0.0.1.example.com"),
        ("host", ""),
    ] {
        let reply = anon.get_with("/metrics", name, value).await;
        assert_eq!(reply.status, 404, "{name}: {value}");
        reply.expect_problem(404, "not-found");
    }
    scrape(&anon).await;
    app.finish().await;

    for variable in [
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
        ("METRICS_ADDR", "127.0.0.1:0"),
    ] {
        let app = TestApp::start_with(&[variable]).await;
        let reply = app.anon().get("/metrics").await;
        reply.expect_problem(404, "not-found");
        app.finish().await;
    }
}
