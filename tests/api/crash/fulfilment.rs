//! Between "Stripe took the money" and "access granted".

use futures_util::future::join;
use lectern::dev::stripe::Outcome;
use serde_json::Value;

use super::recover;
use super::trap::{Fate, Step, Trap};
use crate::support::buying::{has_access, open, path};
use crate::support::instance::Instance;
use crate::support::shop::session_of;
use crate::support::{Client, Shop, TestApp};

const RETRIEVE_SESSION: &str = "GET /v1/checkout/sessions/*";
const RETRIEVE_PAYMENT: &str = "GET /v1/payment_intents/*";

/// In one transaction, whoever brings the news of the payment.
const FULFILLING: [Step; 6] = [
    Step::Write("checkouts", "UPDATE", "NEW.status = 'fulfilled'"),
    Step::Write("purchases", "INSERT", "true"),
    Step::Write("access_grants", "INSERT", "true"),
    Step::Write("user_course_access", "INSERT", "true"),
    Step::Write("jobs", "INSERT", "true"),
    Step::Commit("purchases", "INSERT"),
];

/// Before and after, when a webhook brings it.
const RECEIVING: [Step; 3] = [
    Step::Write("webhook_events", "INSERT", "true"),
    Step::Write("webhook_events", "UPDATE", "NEW.attempts > OLD.attempts"),
    Step::Write("webhook_events", "UPDATE", "NEW.status <> OLD.status"),
];

/// The follow-up of a purchase.
const FOLLOWING_UP: [Step; 5] = [
    Step::Write("jobs", "UPDATE", "NEW.attempts > OLD.attempts"),
    Step::Unheard(RETRIEVE_PAYMENT),
    Step::Unanswered(RETRIEVE_PAYMENT),
    Step::Write("purchases", "UPDATE", "NEW.receipt_url IS NOT NULL"),
    Step::Write("jobs", "UPDATE", "NEW.status <> OLD.status"),
];

/// Somebody who has paid, and whose store does not know it yet.
struct Paid {
    buyer: Client,
    checkout: Value,
}

impl Paid {
    async fn new(app: &TestApp, shop: &Shop, name: &str) -> Self {
        let buyer = app.learner(name);
        let checkout = open(&buyer, shop.order()).await;
        app.stripe
            .pay(&session_of(app, &checkout), Outcome::Paid)
            .unwrap();
        Self { buyer, checkout }
    }

    /// Holds the outcome: one purchase, one grant, one receipt; and nothing is left to do.
    async fn expect_fulfilled_once(&self, app: &TestApp, shop: &Shop, step: Step) {
        let id = self.checkout["id"].as_str().unwrap();
        let of_checkout =
            format!("purchases WHERE checkout_id = '{id}' AND receipt_url IS NOT NULL");
        assert_eq!(app.count(&of_checkout), 1, "{step:?}");
        let grants = format!(
            "access_grants g JOIN purchases p ON p.id = g.purchase_id
             WHERE p.checkout_id = '{id}' AND g.ended_at IS NULL"
        );
        assert_eq!(app.count(&grants), 1, "{step:?}");
        assert!(has_access(&self.buyer, &shop.course).await, "{step:?}");
    }
}

/// Kills an instance in every step while it hears of a payment, and lets the next one end what it began.
async fn kill_in_every_step(steps: &[Step], hear: impl AsyncFn(&TestApp, &Paid, &str)) {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    app.settle().await;
    app.put_off_the_pass();
    let mut instance = Instance::start(&app).await;
    let mut kills = 0;
    for step in steps {
        for fate in [Fate::Undone, Fate::Done] {
            let paid = Paid::new(&app, &shop, &format!("buyer-{kills}")).await;
            let trap = Trap::set(&app, *step);
            let url = instance.url.clone();
            let dies = async {
                trap.sprung().await;
                instance.kill();
                trap.clear(fate).await;
            };
            join(hear(&app, &paid, &url), dies).await;
            kills += 1;
            instance = Instance::start(&app).await;
            // As the providers and the buyer do who had no answer: they ask again.
            hear(&app, &paid, &instance.url).await;
            recover(&app).await;
            paid.expect_fulfilled_once(&app, &shop, *step).await;
        }
    }
    drop(instance);
    assert_eq!(app.count("purchases"), kills);
    app.finish().await;
}

/// H: A7, C9
#[tokio::test]
async fn a_process_killed_while_a_webhook_brings_a_payment_fulfils_it_once() {
    let steps = [&RECEIVING[..], &FULFILLING, &FOLLOWING_UP].concat();
    kill_in_every_step(&steps, async |app, _, url| {
        app.stripe
            .set_webhook_url(format!("{url}/v1/webhooks/stripe"));
        for attempt in app.stripe.deliver_all().await {
            if !attempt.is_success() {
                app.stripe.resend(&attempt.event).unwrap();
            }
        }
    })
    .await;
}

/// H: A7, C9
#[tokio::test]
async fn a_process_killed_while_the_buyer_waits_for_a_payment_fulfils_it_once() {
    let asking = [
        Step::Unheard(RETRIEVE_SESSION),
        Step::Unanswered(RETRIEVE_SESSION),
    ];
    let steps = [&asking[..], &FULFILLING].concat();
    kill_in_every_step(&steps, async |_, paid, url| {
        let client = paid.buyer.at(url);
        let asked = client.request(reqwest::Method::GET, &path(&paid.checkout));
        // The dead one does not answer.
        let _ = asked.send().await;
    })
    .await;
}
