//! What the operator is given: alerts and a dashboard that ask for what is measured, and a document that knows each alert.

use serde_json::json;
use std::collections::BTreeSet;

use super::read;
use crate::support::buying::event;
use crate::support::{Shop, TestApp};

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("lectern_"))
        .collect()
}

#[tokio::test]
async fn every_metric_that_an_alert_or_the_dashboard_asks_for_is_told() {
    let app = TestApp::start().await;
    // What is counted by kind is told from the first of its kind on.
    Shop::open(&app).await.buy(&app, &app.learner("one")).await;
    app.stripe_event(&event("plan.created", &json!({})))
        .await
        .expect(200);
    app.anon().post("/v1/webhooks/stripe", json!({})).await;
    app.sql("INSERT INTO jobs (payload) VALUES ('{\"kind\": \"unknown\"}')");
    app.work().await;
    let told = app.anon().get("/metrics").await.text;
    let samples = told.lines().filter(|line| !line.starts_with('#'));
    let told: BTreeSet<_> = samples
        .filter_map(|line| line.split([' ', '{']).next())
        .collect();
    for file in [
        "deploy/prometheus/alerts.yml",
        "deploy/grafana/lectern.json",
    ] {
        let text = read(file);
        let named = named(&text);
        assert!(!named.is_empty(), "{file}");
        let unknown: Vec<_> = named.difference(&told).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}");
    }
    app.finish_with_work_left().await;
}

#[test]
fn the_dashboard_shows_whatever_an_alert_is_about() {
    let (rules, dashboard) = (
        read("deploy/prometheus/alerts.yml"),
        read("deploy/grafana/lectern.json"),
    );
    let shown = named(&dashboard);
    let hidden: Vec<_> = named(&rules).difference(&shown).copied().collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}

#[test]
fn every_alert_is_tried_and_says_what_to_do() {
    let (rules, tried, guide) = (
        read("deploy/prometheus/alerts.yml"),
        read("deploy/prometheus/alerts.test.yml"),
        read("docs/operations.md"),
    );
    let alerts: Vec<_> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(!alerts.is_empty());
    for alert in &alerts {
        assert!(
            tried.contains(&format!("alertname: {alert}\n")),
            "{alert} is not tried"
        );
    }
    let sections: Vec<_> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("### Lectern"))
        .map(|name| format!("Lectern{name}"))
        .collect();
    assert_eq!(sections, alerts);
}
