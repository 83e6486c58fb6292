//! The primary dies in the middle of everything, and its standby takes over: the store goes on, and nothing that was
//! acknowledged is lost.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::buying::{CHECKOUTS, event};
use crate::support::cluster::Database;
use crate::support::haproxy::{HaProxy, is_primary};
use crate::support::instance::until;
use crate::support::replication::{Pair, url_at};
use crate::support::shop::{course, id, lesson, order, product, section};
use crate::support::{Client, Reply, TestApp};

/// What was acknowledged, as conditions that have to hold of the rows for ever after.
#[derive(Default)]
struct Acknowledged {
    rows: RefCell<Vec<String>>,
    refused: RefCell<u32>,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.rows.borrow().len()
    }

    /// Notes a success. What is not one has to be a 503 that may be tried again.
    fn note(&self, reply: Reply, row: impl FnOnce(&Reply) -> String) {
        if reply.status.is_success() {
            self.rows.borrow_mut().push(row(&reply));
        } else {
            assert_eq!(
                reply.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{}",
                reply.text
            );
            assert!(reply.headers.contains_key("retry-after"));
            *self.refused.borrow_mut() += 1;
        }
    }
}

/// Something to write for ever: lessons to tick off, products to claim and to buy.
struct Load {
    lessons: Vec<String>,
    free: Vec<String>,
    sold: String,
}

impl Load {
    async fn prepare(admin: &Client) -> Self {
        let held = course(admin, "Held").await;
        let part = section(admin, &held, "Part", "public").await;
        let mut lessons = Vec::new();
        for n in 0..20 {
            lessons.push(lesson(admin, &part, &format!("Lesson {n}"), "public").await);
        }
        let mut free = Vec::new();
        for n in 0..10 {
            free.push(product(admin, &format!("Free {n}"), 0, &[&held]).await);
        }
        Self {
            lessons,
            free,
            sold: product(admin, "Sold", 4900, &[&held]).await,
        }
    }

    /// What one person does, again and again.
    async fn round(&self, app: &TestApp, name: &str, acknowledged: &Acknowledged) {
        let person = app.learner(name);
        let user = format!(
            "(SELECT id FROM users WHERE clerk_user_id = '{}')",
            person.clerk_user_id
        );
        for product in &self.free {
            let reply = person.call(&format!("/v1/products/{product}/claim")).await;
            acknowledged.note(reply, |reply| {
                format!("purchases WHERE id = '{}'", id(&reply.body))
            });
        }
        for lesson in &self.lessons {
            let reply = person
                .put(&format!("/v1/me/lessons/{lesson}/completion"))
                .await;
            // Who could not claim the course may not tick it off.
            if reply.status != StatusCode::FORBIDDEN {
                acknowledged.note(reply, |_| {
                    format!(
                        "user_lesson_complete WHERE lesson_id = '{lesson}' AND user_id = {user}"
                    )
                });
            }
        }
        let reply = person.post(CHECKOUTS, order(&self.sold)).await;
        if reply.status != StatusCode::CONFLICT {
            acknowledged.note(reply, |reply| {
                format!("checkouts WHERE id = '{}'", id(&reply.body))
            });
        }
        let told = event("plan.created", &json!({}));
        let reply = app.stripe_event(&told).await;
        acknowledged.note(reply, |_| {
            format!("webhook_events WHERE event_id = {}", quoted(&told["id"]))
        });
    }
}

fn quoted(text: &serde_json::Value) -> String {
    format!("'{}'", text.as_str().unwrap())
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn a_primary_that_dies_under_load_takes_no_acknowledged_write_along() {
    let mut pair = Pair::start(true);
    let proxy = HaProxy::start([pair.primary.port, pair.standby.port]);
    // It takes both for primaries until it has asked, and sends every other connection to each.
    until("the proxy knows the primary", async || {
        (0..2).all(|_| is_primary(proxy.port))
    })
    .await;
    let database = Database::at(&url_at(proxy.port));
    let app = TestApp::start_on(database, &[]).await;
    let _listener = app.state.listen().unwrap();
    let load = Load::prepare(&app.admin()).await;
    let acknowledged = Acknowledged::default();
    let over = RefCell::new(false);
    let workers = join_all((0..8).map(|worker| {
        let (app, load, acknowledged, over) = (&app, &load, &acknowledged, &over);
        async move {
            for round in 0.. {
                if *over.borrow() {
                    break;
                }
                let name = format!("learner-{worker}-{round}");
                load.round(app, &name, acknowledged).await;
            }
        }
    }));
    let failing = async {
        until("writes are acknowledged", async || {
            acknowledged.count() > 300
        })
        .await;
        pair.primary.kill();
        let before = acknowledged.count();
        pair.standby.sql("SELECT pg_promote()");
        let promoted = Instant::now();
        until("they are again", async || {
            acknowledged.count() > before + 20
        })
        .await;
        let away = promoted.elapsed();
        until("they go on", async || acknowledged.count() > before + 300).await;
        *over.borrow_mut() = true;
        away
    };
    let (_, away) = join(workers, failing).await;
    assert!(away < Duration::from_secs(10), "back after {away:?}");
    let refused = *acknowledged.refused.borrow();
    eprintln!(
        "{} acknowledged, {refused} refused, back after {away:?}",
        acknowledged.count()
    );
    for row in acknowledged.rows.borrow().iter() {
        assert_eq!(app.count(row), 1, "lost: {row}");
    }
    app.work_again().await;
    app.finish().await;
    proxy.stop().await;
}
