//! Steps of a refund and of a dispute, and what Stripe knows of them.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use lectern::schema::purchases;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shop::session_of;
use super::{Client, Reply, Shop, TestApp};

/// A purchase that was paid, and those who have to do with it.
pub struct Sale {
    pub id: String,
    pub charge: String,
    pub payment_intent: String,
    pub learner: Client,
    pub admin: Client,
    pub course: String,
}

impl Sale {
    /// Somebody buys the shop's product.
    pub async fn of(app: &TestApp, shop: &Shop, buyer: &str) -> Self {
        let learner = app.learner(buyer);
        let checkout = shop.buy(app, &learner).await;
        Self::behind(app, shop, learner, &checkout)
    }

    /// The sale behind a checkout that was fulfilled.
    pub fn behind(app: &TestApp, shop: &Shop, learner: Client, checkout: &Value) -> Self {
        let (charge, payment_intent) = paid_with(app, checkout);
        let id: Uuid = purchases::table
            .filter(purchases::stripe_payment_intent_id.eq(&payment_intent))
            .select(purchases::id)
            .first(&mut app.db())
            .unwrap();
        Self {
            id: id.to_string(),
            charge,
            payment_intent,
            learner,
            admin: app.admin(),
            course: shop.course.clone(),
        }
    }

    /// The purchase's address for the owner.
    pub fn path(&self) -> String {
        format!("/v1/admin/purchases/{}", self.id)
    }

    /// Where its refunds are made.
    pub fn refunds(&self) -> String {
        format!("{}/refunds", self.path())
    }

    /// Asks for a refund, under a key of its own.
    pub async fn ask_refund(&self, body: Value) -> Reply {
        let key = Uuid::new_v4().to_string();
        self.admin.refund(&self.refunds(), body, &key).await
    }

    /// Makes a refund.
    pub async fn refund(&self, body: Value) -> Value {
        self.ask_refund(body).await.expect(201)
    }

    /// The purchase as the owner sees it.
    pub async fn look(&self) -> Value {
        self.admin.get(&self.path()).await.expect(200)
    }

    /// The one dispute of the purchase.
    pub async fn dispute(&self) -> Value {
        let path = format!("/v1/admin/disputes?purchaseId={}", self.id);
        let list = self.admin.get(&path).await.expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), 1, "{list}");
        list["data"][0].clone()
    }

    /// Whether the buyer can open the course.
    pub async fn opens(&self) -> bool {
        super::buying::has_access(&self.learner, &self.course).await
    }

    /// What is given back, in which state that leaves the purchase, and whether the buyer can open the course.
    pub async fn stands(&self) -> (i64, String, bool) {
        let purchase = self.look().await;
        let refunded = purchase["refundedInCents"].as_i64().unwrap();
        let status = purchase["status"].as_str().unwrap().to_owned();
        (refunded, status, self.opens().await)
    }

    /// [`Self::stands`], as it has to be.
    #[track_caller]
    pub fn holds(&self, refunded: i64, status: &str, opens: bool) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        let wanted = (refunded, status.to_owned(), opens);
        async move { assert_eq!(self.stands().await, wanted, "at {place}") }
    }
}

/// The charge and the payment intent that paid a checkout.
pub fn paid_with(app: &TestApp, checkout: &Value) -> (String, String) {
    let charge = app.stripe.charge_of(&session_of(app, checkout)).unwrap();
    let intent = app.stripe.object(&charge).unwrap()["payment_intent"].clone();
    (charge, intent.as_str().unwrap().to_owned())
}

/// Every refund that Stripe has.
pub async fn refunds_at_stripe(app: &TestApp) -> Vec<Value> {
    let key = super::app::STRIPE_SECRET_KEY;
    let stripe = app.with_address(&app.state.config.stripe.api_url, key);
    let list = stripe.get("/v1/refunds?limit=100").await.expect(200);
    list["data"].as_array().unwrap().clone()
}

/// The events of these types, in this order.
pub fn of_types<'a>(events: &'a [Value], kinds: &[&str]) -> Vec<&'a Value> {
    let of_type = |kind: &&str| events.iter().find(|event| event["type"] == *kind).unwrap();
    kinds.iter().map(of_type).collect()
}

/// The thin form of an event: it names its object, and says nothing about it.
pub fn thin_event(kind: &str, object_type: &str, id: &str) -> Value {
    json!({
        "id": format!("evt_{}", Uuid::new_v4().simple()),
        "object": "v2.core.event",
        "type": format!("v1.{kind}"),
        "livemode": false,
        "created": "2026-11-23T10:00:00.000Z",
        "related_object": { "id": id, "type": object_type, "url": format!("/v1/{object_type}s/{id}") },
    })
}

/// The `application_name` of sessions that [`TestApp::waits_for_locks`] does not look at.
pub const BACKGROUND: &str = "background";

impl TestApp {
    /// Lets other work go on until so many transactions wait for a lock of somebody else's, all of them before the first
    /// one gives up.
    pub async fn waits_for_locks(&self, transactions: i64) {
        self.waits_long_for_locks(transactions, Duration::from_secs(4))
            .await;
    }

    /// [`Self::waits_for_locks`], for those who come again when they have given up.
    pub async fn waits_long_for_locks(&self, transactions: i64, patience: Duration) {
        let waiting = format!(
            "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
             AND application_name <> '{BACKGROUND}'"
        );
        let deadline = Instant::now() + patience;
        while self.count(&waiting) < transactions {
            assert!(Instant::now() < deadline, "nobody waits");
            tokio::task::yield_now().await;
        }
    }

    /// Takes Stripe's waiting events away, so that a test can deliver them as it likes.
    pub fn hold_events(&self) -> Vec<Value> {
        let events = self.stripe.pending_events();
        for event in &events {
            self.stripe.drop_pending(event["id"].as_str().unwrap());
        }
        events
    }
}

impl Client {
    /// A refund under this key.
    pub async fn refund(&self, path: &str, body: Value, key: &str) -> Reply {
        let request = self.request(Method::POST, path).json(&body);
        self.send(request.header("idempotency-key", key)).await
    }
}
