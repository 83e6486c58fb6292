//! Something to sell and to watch, made through the API as an owner would.

use serde_json::{Value, json};
use uuid::Uuid;

use super::app::RETURN_URL;
use super::{Client, TestApp};

/// A product of one course:
///
/// | section | lessons |
/// |---|---|
/// | Basics (public) | Welcome (preview), First steps (public), Draft (private) |
/// | Secret (private) | Hidden (public) |
/// | Practice (public) | Exercise (public) |
pub struct Shop {
    pub product: String,
    pub course: String,
    pub basics: String,
    pub secret: String,
    pub practice: String,
    pub welcome: String,
    pub first_steps: String,
    pub draft: String,
    pub hidden: String,
    pub exercise: String,
}

impl Shop {
    /// A public product of 49 dollars.
    pub async fn open(app: &TestApp) -> Self {
        Self::open_at(app, 4900).await
    }

    /// A public product at a price in cents.
    pub async fn open_at(app: &TestApp, price_in_cents: i32) -> Self {
        let admin = app.admin();
        let course = course(&admin, "Rust for the Web").await;
        let basics = section(&admin, &course, "Basics", "public").await;
        let secret = section(&admin, &course, "Secret", "private").await;
        let practice = section(&admin, &course, "Practice", "public").await;
        Self {
            welcome: lesson(&admin, &basics, "Welcome", "preview").await,
            first_steps: lesson(&admin, &basics, "First steps", "public").await,
            draft: lesson(&admin, &basics, "Draft", "private").await,
            hidden: lesson(&admin, &secret, "Hidden", "public").await,
            exercise: lesson(&admin, &practice, "Exercise", "public").await,
            product: product(&admin, "Web course", price_in_cents, &[&course]).await,
            course,
            basics,
            secret,
            practice,
        }
    }

    /// What a buyer sends to open a checkout.
    pub fn order(&self) -> Value {
        order(&self.product)
    }

    /// Buys the product, from the checkout to the access. Returns the checkout.
    pub async fn buy(&self, app: &TestApp, buyer: &Client) -> Value {
        buy(app, buyer, &self.product).await
    }

    /// Gives somebody the course by hand. Returns the address of the grant.
    pub async fn give(&self, admin: &Client, learner: &Client) -> String {
        let me = id(&learner.get("/v1/me").await.expect(200));
        let grants = format!("/v1/admin/users/{me}/grants");
        let grant = admin.post(&grants, json!({ "courseId": self.course }));
        format!("{grants}/{}", id(&grant.await.expect(201)))
    }

    /// A lesson's address.
    pub fn lesson_path(&self, lesson: &str) -> String {
        format!("/v1/courses/{}/lessons/{lesson}", self.course)
    }
}

/// What a buyer sends to open a checkout.
pub fn order(product: &str) -> Value {
    json!({ "productId": product, "uiMode": "hosted", "returnUrl": RETURN_URL })
}

/// Buys a product, from the checkout to the access. Returns the checkout.
pub async fn buy(app: &TestApp, buyer: &Client, product: &str) -> Value {
    let checkout = buyer
        .post("/v1/checkout/sessions", order(product))
        .await
        .expect(201);
    app.stripe
        .pay(
            &session_of(app, &checkout),
            lectern::dev::stripe::Outcome::Paid,
        )
        .unwrap();
    app.settle().await;
    let path = format!("/v1/checkout/sessions/{}", checkout["id"].as_str().unwrap());
    let checkout = buyer.get(&path).await.expect(200);
    assert_eq!(checkout["status"], "fulfilled");
    checkout
}

/// The Stripe session behind a checkout.
pub fn session_of(app: &TestApp, checkout: &Value) -> String {
    use diesel::prelude::*;
    use lectern::schema::checkouts;
    let id: Uuid = checkout["id"].as_str().unwrap().parse().unwrap();
    let session: Option<String> = checkouts::table
        .find(id)
        .select(checkouts::stripe_session_id)
        .first(&mut app.db())
        .unwrap();
    session.expect("the checkout has a session")
}

pub async fn course(admin: &Client, name: &str) -> String {
    let body = json!({ "name": name, "description": "From the first handler to production." });
    id(&admin.post("/v1/admin/courses", body).await.expect(201))
}

pub async fn section(admin: &Client, course: &str, name: &str, status: &str) -> String {
    let path = format!("/v1/admin/courses/{course}/sections");
    id(&admin
        .post(&path, json!({ "name": name, "status": status }))
        .await
        .expect(201))
}

pub async fn lesson(admin: &Client, section: &str, name: &str, status: &str) -> String {
    let path = format!("/v1/admin/sections/{section}/lessons");
    let body = json!({ "name": name, "status": status, "youtubeVideoId": "dQw4w9WgXcQ" });
    id(&admin.post(&path, body).await.expect(201))
}

pub async fn product(admin: &Client, name: &str, price_in_cents: i32, courses: &[&str]) -> String {
    let body = json!({
        "name": name,
        "description": "All you need.",
        "imageUrl": "https://images.example.com/web.png",
        "priceInCents": price_in_cents,
        "status": "public",
        "courseIds": courses,
    });
    id(&admin.post("/v1/admin/products", body).await.expect(201))
}

/// The `id` of a resource.
pub fn id(resource: &Value) -> String {
    resource["id"]
        .as_str()
        .expect("a resource has an id")
        .to_owned()
}
