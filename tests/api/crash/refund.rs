//! Between "refund asked" and "refund recorded".

use futures_util::future::join;
use reqwest::Method;
use serde_json::json;

use super::recover;
use super::trap::{Fate, Step, Trap};
use crate::support::buying::has_access;
use crate::support::instance::Instance;
use crate::support::refunding::{Sale, refunds_at_stripe};
use crate::support::{Shop, TestApp};

const CREATE: &str = "POST /v1/refunds";

const STEPS: [Step; 11] = [
    Step::Write("refunds", "INSERT", "true"),
    Step::Write(
        "purchases",
        "UPDATE",
        "NEW.refunded_in_cents > OLD.refunded_in_cents",
    ),
    Step::Write("access_grants", "UPDATE", "NEW.ended_at IS NOT NULL"),
    Step::Write("user_course_access", "DELETE", "true"),
    Step::Write("jobs", "INSERT", "true"),
    Step::Commit("refunds", "INSERT"),
    Step::Unheard(CREATE),
    Step::Unanswered(CREATE),
    Step::Write("refunds", "UPDATE", "NEW.stripe_refund_id IS NOT NULL"),
    Step::Write("jobs", "UPDATE", "NEW.attempts > OLD.attempts"),
    Step::Write("jobs", "UPDATE", "NEW.status <> OLD.status"),
];

/// Asks an instance for a refund; the dead one does not answer.
async fn ask(sale: &Sale, url: &str, key: &str) -> Option<u16> {
    let admin = sale.admin.at(url);
    let request = admin
        .request(Method::POST, &sale.refunds())
        .header("idempotency-key", key)
        .json(&json!({}));
    let answer = request.send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

/// H: D1, D2
#[tokio::test]
async fn a_process_killed_while_it_refunds_has_refunded_once() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let mut instance = Instance::start(&app).await;
    let mut kills = 0;
    for step in STEPS {
        for fate in [Fate::Undone, Fate::Done] {
            let sale = Sale::of(&app, &shop, &format!("buyer-{kills}")).await;
            recover(&app).await;
            let key = format!("\"refund-{kills}\"");
            let trap = Trap::set(&app, step);
            let url = instance.url.clone();
            let dies = async {
                trap.sprung().await;
                instance.kill();
                trap.clear(fate).await;
            };
            join(ask(&sale, &url, &key), dies).await;
            kills += 1;
            instance = Instance::start(&app).await;
            recover(&app).await;
            assert_eq!(ask(&sale, &instance.url, &key).await, Some(201), "{step:?}");
            recover(&app).await;
            let made = refunds_at_stripe(&app).await;
            let made = made.iter().filter(|made| made["charge"] == sale.charge);
            assert_eq!(made.count(), 1, "{step:?}");
            let recorded = format!(
                "refunds WHERE purchase_id = '{}' AND status = 'succeeded' AND amount_in_cents = 4900",
                sale.id
            );
            assert_eq!(app.count(&recorded), 1, "{step:?}");
            assert!(!has_access(&sale.learner, &shop.course).await, "{step:?}");
        }
    }
    drop(instance);
    assert_eq!(app.count("refunds"), kills);
    app.settle().await;
    app.finish().await;
}
