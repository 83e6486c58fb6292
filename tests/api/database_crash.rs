//! A database whose server crashes and comes back while people buy, are refunded, and Stripe tells of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use futures_util::future::{join, join_all, select};
use lectern::dev::stripe::Outcome;
use lectern::jobs::worker;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::support::buying::{CHECKOUTS, has_access, path, sessions_at_stripe};
use crate::support::refunding::{BACKGROUND, refunds_at_stripe};
use crate::support::{Client, Reply, Shop, TestApp};

/// How soon somebody asks again: sooner than they are told to, so that the test does not wait for them.
const SOON: Duration = Duration::from_millis(20);
const BUYERS: usize = 8;

/// People who ask again when the answer is 503, and take nothing else for an outage.
#[derive(Default)]
struct Patience {
    refused: AtomicUsize,
}

impl Patience {
    async fn ask(&self, ask: impl AsyncFn() -> Reply) -> Value {
        // A key whose request was cut off is free again after a minute.
        let deadline = Instant::now() + Duration::from_secs(150);
        while Instant::now() < deadline {
            let reply = ask().await;
            match reply.status.as_u16() {
                503 => {
                    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
                    reply.expect_problem(503, "database-unavailable");
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                // The attempt before has not given its key back yet.
                409 => drop(reply.expect_problem(409, "idempotency-key-in-use")),
                _ if reply.status.is_success() => return reply.body,
                _ => panic!("{} {}", reply.status, reply.text),
            }
            sleep(SOON).await;
        }
        panic!("no answer in time")
    }

    /// Somebody buys the product, and has it when they are done.
    async fn buy(&self, app: &TestApp, shop: &Shop, buyer: &Client) -> Value {
        let checkout = self.ask(async || buyer.post(CHECKOUTS, shop.order()).await);
        let checkout = checkout.await;
        let (_, session) = checkout["url"].as_str().unwrap().rsplit_once('/').unwrap();
        app.stripe.pay(session, Outcome::Paid).unwrap();
        let deadline = Instant::now() + Duration::from_secs(150);
        while Instant::now() < deadline {
            let look = async || buyer.get_with(&path(&checkout), "prefer", "wait=5").await;
            let now = self.ask(look).await;
            if now["status"] == "fulfilled" {
                return now;
            }
        }
        panic!("paid, but not fulfilled in time")
    }

    /// Somebody buys the product and gets their money back.
    async fn buy_and_return(&self, app: &TestApp, shop: &Shop, admin: &Client, buyer: &Client) {
        let checkout = self.buy(app, shop, buyer).await;
        let purchase = checkout["purchaseId"].as_str().unwrap();
        let path = format!("/v1/admin/purchases/{purchase}/refunds");
        let refund = async || {
            admin
                .refund(&path, json!({}), &format!("return-{purchase}"))
                .await
        };
        self.ask(refund).await;
    }

    /// Stripe tells what there is to tell, and a visitor looks around, until they are dropped.
    async fn bustle(&self, app: &TestApp) {
        loop {
            for attempt in app.stripe.deliver_all().await {
                if attempt.status == Some(503) {
                    app.stripe.resend(&attempt.event).unwrap();
                } else {
                    assert!(attempt.is_success(), "{attempt:?}");
                }
            }
            self.ask(async || app.anon().get("/v1/products").await)
                .await;
            sleep(SOON).await;
        }
    }
}

/// H: A7, A11, C9, D1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_under_load_is_a_503_and_nothing_is_lost_or_done_twice() {
    let mut app = TestApp::start_alone().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let (stop, stopped) = watch::channel(false);
    // The worker's sessions have a name, so that requests alone are waited for.
    let url = app.database_url();
    let sign = if url.contains('?') { '&' } else { '?' };
    let background = format!("{url}{sign}application_name={BACKGROUND}");
    let (_, elsewhere) = app.another(&[("DATABASE_URL", &background)]);
    let listeners = [app.state.listen().unwrap(), elsewhere.listen().unwrap()];
    let worker = tokio::spawn(worker::run(elsewhere, stopped));
    // In the middle of opening checkouts, of booking payments, of giving money back.
    let rounds = ["checkouts", "purchases", "refunds"];
    for table in rounds {
        let patience = Patience::default();
        let buyers: Vec<Client> = (0..BUYERS)
            .map(|n| app.learner(&format!("{table}-{n}")))
            .collect();
        let mut holder = app.db();
        holder
            .batch_execute(&format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"))
            .unwrap();
        let lives = join_all(
            buyers
                .iter()
                .map(|buyer| patience.buy_and_return(&app, &shop, &admin, buyer)),
        );
        let crash = async {
            app.waits_long_for_locks(3, Duration::from_secs(60)).await;
            app.crash_database();
        };
        let bustle = std::pin::pin!(patience.bustle(&app));
        select(std::pin::pin!(join(lives, crash)), bustle).await;
        for buyer in &buyers {
            assert!(!has_access(buyer, &shop.course).await);
        }
        assert!(patience.refused.load(Ordering::Relaxed) >= 3, "{table}");
    }
    stop.send_replace(true);
    worker.await.unwrap();
    drop(listeners);
    app.settle().await;
    app.work_again().await;
    let sales = rounds.len() * BUYERS;
    let sold = i64::try_from(sales).unwrap();
    assert_eq!(sessions_at_stripe(&app).await.len(), sales);
    assert_eq!(app.count("purchases WHERE refunded_in_cents = 4900"), sold);
    assert_eq!(refunds_at_stripe(&app).await.len(), sales);
    assert_eq!(
        app.count("refunds WHERE status = 'succeeded' AND stripe_refund_id IS NOT NULL"),
        sold
    );
    app.finish().await;
}

/// H: A11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_back_costs_no_request_an_error() {
    let app = TestApp::start().await;
    let size = app.state.config.database_pool_size;
    // Every connection is open, and then idle.
    let mut holder = app.db();
    holder.batch_execute("BEGIN; LOCK TABLE products").unwrap();
    let visits = || join_all((0..size).map(|_| async { app.anon().get("/v1/products").await }));
    let all_are_there = async {
        app.waits_for_locks(size.into()).await;
        holder.batch_execute("COMMIT").unwrap();
    };
    join(visits(), all_are_there).await;
    app.cut_database();
    app.restore_database();
    for reply in visits().await {
        reply.expect(200);
    }
    app.finish().await;
}
