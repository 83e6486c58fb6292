//! Deliveries at a steady rate. Each is timed from the moment when it was due, not from when it could be sent: a store
//! that stands still for a second makes two hundred of them late, not one.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use lectern::webhooks::signature::StandardSecret;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::postgres::Postgres;
use crate::store::{CLERK_WEBHOOK_SECRET, STRIPE_WEBHOOK_SECRET, Setup, Store};
use crate::workload::Request;

#[derive(clap::Args)]
pub struct Options {
    /// Deliveries a second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// For how many seconds
    #[arg(long, default_value_t = 30)]
    seconds: u32,
}

/// What the store promises.
const RECEIPT_P99: Duration = Duration::from_millis(100);
const DRAIN: Duration = Duration::from_secs(10);

/// Delivers, waits for the inbox to be empty, prints both times, and fails when they are not what is promised.
///
/// # Errors
/// When the store does not start, refuses a delivery, loses one or is too slow.
pub async fn run(lectern: &Path, options: &Options) -> anyhow::Result<()> {
    let postgres = Postgres::empty()?;
    let setup = Setup {
        database_url: &postgres.database("bench")?,
        clerk_issuer: "http://127.0.0.1:1",
        log: None,
        variables: &[],
    };
    let store = Store::start(lectern, &["serve"], &setup).await?;
    let count = options.rate * options.seconds;
    let pause = Duration::from_secs(1) / options.rate;
    let http = reqwest::Client::builder().no_proxy().build()?;
    // One connection is open before the clock runs.
    http.get(format!("{}/healthz", store.url)).send().await?;

    let begun = tokio::time::Instant::now();
    let mut deliveries = JoinSet::new();
    for number in 0..count {
        let due = begun + pause * number;
        sleep_until(due).await;
        let Request {
            path,
            headers,
            body,
            ..
        } = delivery(number)?;
        let request = http.post(format!("{}{path}", store.url)).body(body);
        let request = headers.into_iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        deliveries.spawn(async move {
            let status = request.send().await?.status();
            ensure!(status == 200, "a delivery was answered with {status}");
            Ok(due.elapsed())
        });
    }
    let mut times = Vec::new();
    while let Some(time) = deliveries.join_next().await {
        times.push(time??);
    }
    let answered = Instant::now();
    let left = store.metric("lectern_inbox_waiting", "").await?;
    while store.metric("lectern_inbox_waiting", "").await? > 0.0 {
        ensure!(
            answered.elapsed() < DRAIN * 12,
            "the inbox does not become empty"
        );
        sleep(Duration::from_millis(50)).await;
    }
    let drain = answered.elapsed();
    let handled = store
        .metric("lectern_webhook_events_total", "processed")
        .await?
        + store
            .metric("lectern_webhook_events_total", "ignored")
            .await?;

    times.sort();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times
            .get(place.min(times.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    println!("deliveries       {count} at {} a second", options.rate);
    println!("receipt p50      {:?}", at(0.5));
    println!("receipt p99      {:?}", at(0.99));
    println!("receipt max      {:?}", at(1.0));
    println!("left at the end  {left}");
    println!("drained after    {drain:?}");
    println!("handled          {handled}");
    ensure!(handled == f64::from(count), "{handled} events were handled");
    ensure!(at(0.99) < RECEIPT_P99, "receipts are too slow");
    ensure!(drain < DRAIN, "the inbox is drained too slowly");
    Ok(())
}

/// By turns: somebody's data at Clerk, a session at Stripe that is none of ours, a type that is not used.
///
/// # Errors
/// When it cannot be signed.
pub fn delivery(number: u32) -> anyhow::Result<Request> {
    match number % 3 {
        0 => clerk(number),
        1 => {
            let session = include_str!("../../tests/fixtures/stripe/checkout.session.json");
            let session = serde_json::from_str(session)?;
            Ok(stripe(number, "checkout.session.completed", &session))
        }
        _ => {
            let charge = include_str!("../../tests/fixtures/stripe/charge.json");
            let charge = serde_json::from_str(charge)?;
            Ok(stripe(number, "charge.succeeded", &charge))
        }
    }
}

fn clerk(number: u32) -> anyhow::Result<Request> {
    let recorded = include_str!("../../tests/fixtures/clerk/user.created.json");
    let mut event: Value = serde_json::from_str(recorded)?;
    if let Some(user) = event.get_mut("data").and_then(Value::as_object_mut) {
        user.insert("id".to_owned(), json!(format!("user_{}", number % 1000)));
        user.insert("updated_at".to_owned(), json!(number));
    }
    let (id, now, body) = (
        format!("msg_{number}"),
        Utc::now().timestamp(),
        event.to_string(),
    );
    let secret: StandardSecret = CLERK_WEBHOOK_SECRET.parse()?;
    let signature = secret.sign(&id, now, body.as_bytes());
    let headers = [
        ("svix-id", id),
        ("svix-timestamp", now.to_string()),
        ("svix-signature", signature),
    ];
    Ok(post("/v1/webhooks/clerk", headers, body))
}

fn stripe(number: u32, kind: &str, object: &Value) -> Request {
    let event = json!({
        "id": format!("evt_{number}"), "object": "event", "type": kind, "livemode": false,
        "api_version": "2026-09-30.endive", "data": { "object": object },
    });
    let (now, body) = (Utc::now().timestamp(), event.to_string());
    let headers = [("stripe-signature", sign(now, &body))];
    post("/v1/webhooks/stripe", headers, body)
}

fn post<const N: usize>(path: &str, headers: [(&'static str, String); N], body: String) -> Request {
    let json = ("content-type", "application/json".to_owned());
    Request {
        method: "POST",
        path: path.to_owned(),
        headers: headers.into_iter().chain([json]).collect(),
        body,
    }
}

/// As Stripe's documentation says.
fn sign(timestamp: i64, body: &str) -> String {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length (RFC 2104)"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(STRIPE_WEBHOOK_SECRET.as_bytes())
        .expect("a key of any length");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={timestamp},v1={hex}")
}
