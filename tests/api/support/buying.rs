//! Steps of a purchase, what Stripe says about them, and a database that fails in the middle.

use diesel::connection::SimpleConnection;
use lectern::dev::clerk::TokenOptions;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::shop::session_of;
use super::{Client, Reply, TestApp};

/// Where checkouts are opened.
pub const CHECKOUTS: &str = "/v1/checkout/sessions";

/// Opens a checkout.
pub async fn open(buyer: &Client, order: Value) -> Value {
    buyer.post(CHECKOUTS, order).await.expect(201)
}

/// A checkout's address.
pub fn path(checkout: &Value) -> String {
    format!("{CHECKOUTS}/{}", checkout["id"].as_str().unwrap())
}

/// The checkout as it is now.
pub async fn look(buyer: &Client, checkout: &Value) -> Value {
    buyer.get(&path(checkout)).await.expect(200)
}

/// Whether the player of a course opens.
pub async fn has_access(learner: &Client, course: &str) -> bool {
    let reply = learner.get(&format!("/v1/courses/{course}")).await;
    match reply.status.as_u16() {
        200 => true,
        _ => reply
            .expect_problem(403, "course-access-required")
            .is_null(),
    }
}

/// Every session that Stripe has, whatever its status.
pub async fn sessions_at_stripe(app: &TestApp) -> Vec<Value> {
    let key = super::app::STRIPE_SECRET_KEY;
    let stripe = app.with_address(&app.state.config.stripe.api_url, key);
    let list = stripe.get("/v1/checkout/sessions?limit=100").await;
    list.expect(200)["data"].as_array().unwrap().clone()
}

/// An event of Stripe's, from the recorded one, under an id of its own.
pub fn event(kind: &str, object: &Value) -> Value {
    let recorded = include_str!("../../fixtures/stripe/event.json");
    let mut event: Value = serde_json::from_str(recorded).unwrap();
    event["id"] = json!(format!("evt_{}", Uuid::new_v4().simple()));
    event["type"] = json!(kind);
    event["data"] = json!({ "object": object });
    event
}

/// An event about the session behind a checkout, some of whose fields are as the test says.
pub fn session_event(app: &TestApp, checkout: &Value, kind: &str, changes: &Value) -> Value {
    let mut session = app.stripe.object(&session_of(app, checkout)).unwrap();
    let fields = session.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    event(kind, &session)
}

/// The changes of a session that was paid at once.
pub fn paid() -> Value {
    json!({ "status": "complete", "payment_status": "paid", "payment_intent": null })
}

impl TestApp {
    /// Sends events of the test's making, and works on them.
    pub async fn hear(&self, events: impl IntoIterator<Item = &Value>) {
        for event in events {
            self.stripe_event(event).await.expect(200);
        }
        self.work().await;
    }

    /// Somebody with a token some of whose claims are as the test says.
    pub fn learner_with(&self, name: &str, claims: Value) -> Client {
        let (person, _) = self.clerk.add_person(name).unwrap();
        let options = TokenOptions::claims(claims);
        self.with_token(&self.clerk.mint(&person.clerk_user_id, &options).unwrap())
    }

    /// Runs statements behind the API's back.
    pub fn sql(&self, statements: &str) {
        self.db().batch_execute(statements).unwrap();
    }

    /// Lets every new row of a table fail, as a fault of ours or a full disk would, until [`Self::mend`].
    pub fn break_inserts(&self, table: &str) {
        self.sql(&format!(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'broken by a test'; END $$;
             CREATE TRIGGER broken BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail()"
        ));
    }

    /// Takes [`Self::break_inserts`] back.
    pub fn mend(&self) {
        self.sql("DROP FUNCTION fail CASCADE");
    }

    /// Lets the time come for all that waits for another try.
    pub async fn work_again(&self) {
        self.sql(
            "UPDATE webhook_events SET due_at = now() WHERE status = 'received';
             UPDATE jobs SET due_at = now() WHERE status = 'pending'",
        );
        self.work().await;
    }
}

impl Client {
    /// The same request with one more header.
    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Reply {
        let request = self.request(Method::GET, path).header(name, value);
        self.send(request).await
    }
}
