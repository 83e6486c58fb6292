//! Who may do what: every operation for the anonymous, a learner without access, one with it, and the owner.

use reqwest::Method;
use serde_json::{Value, json};

use super::{document, operations};
use crate::support::buying::event;
use crate::support::lists::rows_of;
use crate::support::refunding::Sale;
use crate::support::shop::{self, course, lesson, product, section};
use crate::support::{Client, Shop, TestApp};

/// What the four callers are answered: anonymous, learner without access, learner with access, owner.
type Answers = [u16; 4];

const EVERYBODY: Answers = [200; 4];
const NOBODY: Answers = [404; 4];
const SIGNED_IN: Answers = [401, 200, 200, 200];
const OWNER: Answers = [401, 403, 403, 200];
const CREATES: Answers = [401, 403, 403, 201];
const DELETES: Answers = [401, 403, 403, 204];
/// Belongs to somebody who is none of the four.
const ANOTHERS: Answers = [401, 404, 404, 404];

/// A shop, and things of which the table deletes one each.
struct World {
    shop: Shop,
    /// Free, with the shop's course in it.
    free: String,
    private_product: String,
    deleted_product: String,
    spare_course: String,
    spare_section: String,
    spare_lesson: String,
    spare_product: String,
    /// Somebody else's.
    checkout: String,
    purchase: String,
    refund: String,
    dispute: String,
    user: String,
    grant: String,
    event: String,
}

impl World {
    async fn build(app: &TestApp) -> Self {
        let shop = Shop::open(app).await;
        let admin = app.admin();
        let spare_course = course(&admin, "Spare").await;
        let spare_section = section(&admin, &shop.course, "Spare", "private").await;
        let private_product = product(&admin, "Private", 100, &[&shop.course]).await;
        let path = format!("/v1/admin/products/{private_product}");
        admin.change(&path, json!({ "status": "private" })).await;
        let deleted_product = product(&admin, "Deleted", 100, &[&shop.course]).await;
        let path = format!("/v1/admin/products/{deleted_product}");
        admin.delete(&path).await.expect(204);
        let another = app.learner("another");
        let checkout = shop.buy(app, &another).await;
        let user = shop::id(&another.get("/v1/me").await.expect(200));
        let sale = Sale::of(app, &shop, "refunded").await;
        let refund = sale.refund(json!({ "amountInCents": 1 })).await;
        app.stripe.open_dispute(&sale.charge).unwrap();
        app.settle().await;
        let path = format!("/v1/admin/users/{user}/grants");
        let grant = admin
            .post(&path, json!({ "courseId": shop.course }))
            .await
            .expect(201);
        Self {
            free: product(&admin, "Free", 0, &[&shop.course]).await,
            spare_lesson: lesson(&admin, &shop.secret, "Spare", "private").await,
            spare_product: product(&admin, "Spare", 100, &[&shop.course]).await,
            purchase: checkout["purchaseId"].as_str().unwrap().to_owned(),
            checkout: shop::id(&checkout),
            private_product,
            deleted_product,
            refund: shop::id(&refund),
            dispute: shop::id(&sale.dispute().await),
            spare_course,
            spare_section,
            grant: shop::id(&grant),
            event: received(app).await,
            user,
            shop,
        }
    }

    fn table(&self) -> Vec<(&'static str, String, Value, Answers)> {
        let Self { shop, free, .. } = self;
        let none = Value::Null;
        let (course, basics) = (&shop.course, &shop.basics);
        let new_course = json!({ "name": "N", "description": "D" });
        let new_part = json!({ "name": "N" });
        let new_lesson = json!({ "name": "N", "youtubeVideoId": "dQw4w9WgXcQ" });
        let new_product = json!({
            "name": "N", "description": "D", "imageUrl": "/n.png", "priceInCents": 1, "courseIds": [course],
        });
        let restore = |path: String| ("POST", path + "/restore", none.clone(), OWNER);
        let order = |path: String| ("PUT", path + "/order", json!({ "ids": [] }), OWNER);
        let user = format!("/v1/admin/users/{}", self.user);
        let get = |path: String, answers| ("GET", path, none.clone(), answers);
        let mut rows = vec![
            // Shop
            get("/v1/products".into(), EVERYBODY),
            get(format!("/v1/products/{}", shop.product), EVERYBODY),
            get(format!("/v1/products/{}", self.private_product), NOBODY),
            get(format!("/v1/products/{}", self.deleted_product), NOBODY),
            get(format!("/v1/products/{}/quote", shop.product), EVERYBODY),
            get(
                format!("/v1/products/{}/quote", self.private_product),
                NOBODY,
            ),
            (
                "POST",
                "/v1/checkout/sessions".into(),
                shop.order(),
                [401, 201, 201, 201],
            ),
            get(format!("/v1/checkout/sessions/{}", self.checkout), ANOTHERS),
            (
                "POST",
                format!("/v1/checkout/sessions/{}/cancel", self.checkout),
                none.clone(),
                ANOTHERS,
            ),
            (
                "POST",
                format!("/v1/products/{}/claim", self.private_product),
                none.clone(),
                ANOTHERS,
            ),
            get("/v1/pricing/discount".into(), EVERYBODY),
            // Learn
            get("/v1/me".into(), SIGNED_IN),
            get("/v1/me/export".into(), SIGNED_IN),
            get("/v1/me/courses".into(), SIGNED_IN),
            get("/v1/me/purchases".into(), SIGNED_IN),
            get(format!("/v1/me/purchases/{}", self.purchase), ANOTHERS),
            get(format!("/v1/courses/{course}"), [401, 403, 200, 200]),
            get(shop.lesson_path(&shop.welcome), EVERYBODY),
            get(shop.lesson_path(&shop.first_steps), [401, 403, 200, 200]),
            get(shop.lesson_path(&shop.draft), [404, 404, 404, 200]),
            get(shop.lesson_path(&shop.hidden), [404, 404, 404, 200]),
            // Run the store
            get("/v1/admin/courses".into(), OWNER),
            ("POST", "/v1/admin/courses".into(), new_course, CREATES),
            get(format!("/v1/admin/courses/{course}"), OWNER),
            (
                "PATCH",
                format!("/v1/admin/courses/{course}"),
                json!({}),
                OWNER,
            ),
            order(format!("/v1/admin/courses/{}/sections", self.spare_course)),
            (
                "DELETE",
                format!("/v1/admin/courses/{}", self.spare_course),
                none.clone(),
                DELETES,
            ),
            (
                "POST",
                format!("/v1/admin/courses/{course}/sections"),
                new_part,
                CREATES,
            ),
            get(format!("/v1/admin/sections/{basics}"), OWNER),
            (
                "PATCH",
                format!("/v1/admin/sections/{basics}"),
                json!({}),
                OWNER,
            ),
            order(format!("/v1/admin/sections/{}/lessons", self.spare_section)),
            (
                "DELETE",
                format!("/v1/admin/sections/{}", self.spare_section),
                none.clone(),
                DELETES,
            ),
            (
                "POST",
                format!("/v1/admin/sections/{basics}/lessons"),
                new_lesson,
                CREATES,
            ),
            get(format!("/v1/admin/lessons/{}", shop.hidden), OWNER),
            (
                "PATCH",
                format!("/v1/admin/lessons/{}", shop.hidden),
                json!({}),
                OWNER,
            ),
            (
                "DELETE",
                format!("/v1/admin/lessons/{}", self.spare_lesson),
                none.clone(),
                DELETES,
            ),
            get("/v1/admin/products".into(), OWNER),
            ("POST", "/v1/admin/products".into(), new_product, CREATES),
            get(
                format!("/v1/admin/products/{}", self.private_product),
                OWNER,
            ),
            get(
                format!("/v1/admin/products/{}", self.deleted_product),
                OWNER,
            ),
            (
                "PATCH",
                format!("/v1/admin/products/{}", shop.product),
                json!({}),
                OWNER,
            ),
            (
                "DELETE",
                format!("/v1/admin/products/{}", self.spare_product),
                none.clone(),
                DELETES,
            ),
            restore(format!("/v1/admin/courses/{course}")),
            restore(format!("/v1/admin/sections/{basics}")),
            restore(format!("/v1/admin/lessons/{}", shop.hidden)),
            restore(format!("/v1/admin/products/{}", shop.product)),
            get("/v1/admin/pricing/tiers".into(), OWNER),
            (
                "PUT",
                "/v1/admin/pricing/tiers".into(),
                json!({ "data": [] }),
                OWNER,
            ),
            get("/v1/admin/purchases".into(), OWNER),
            get(format!("/v1/admin/purchases/{}", self.purchase), OWNER),
            (
                "POST",
                format!("/v1/admin/purchases/{}/refunds", self.purchase),
                json!({}),
                CREATES,
            ),
            get(
                format!("/v1/admin/purchases/{}/refunds", self.purchase),
                OWNER,
            ),
            get("/v1/admin/refunds".into(), OWNER),
            get(format!("/v1/admin/refunds/{}", self.refund), OWNER),
            get("/v1/admin/disputes".into(), OWNER),
            get(format!("/v1/admin/disputes/{}", self.dispute), OWNER),
            get("/v1/admin/stats".into(), OWNER),
            get("/v1/admin/users".into(), OWNER),
            get(user.clone(), OWNER),
            ("PATCH", user.clone(), json!({}), OWNER),
            get(format!("{user}/access"), OWNER),
            (
                "DELETE",
                format!("{user}/grants/{}", self.grant),
                none.clone(),
                DELETES,
            ),
            (
                "POST",
                format!("{user}/grants"),
                json!({ "courseId": course }),
                CREATES,
            ),
            get("/v1/admin/audit-log".into(), OWNER),
            ("POST", "/v1/admin/reconcile".into(), json!({}), OWNER),
            get("/v1/admin/webhook-events".into(), OWNER),
            get(format!("/v1/admin/webhook-events/{}", self.event), OWNER),
            (
                "POST",
                format!("/v1/admin/webhook-events/{}/replay", self.event),
                none.clone(),
                OWNER,
            ),
            // Machines
            ("POST", "/v1/webhooks/stripe".into(), json!({}), [400; 4]),
            ("POST", "/v1/webhooks/clerk".into(), json!({}), [400; 4]),
            get("/healthz".into(), EVERYBODY),
            get("/readyz".into(), EVERYBODY),
            get("/metrics".into(), EVERYBODY),
            get("/problems".into(), EVERYBODY),
            get("/problems/not-found".into(), EVERYBODY),
            get("/openapi.json".into(), EVERYBODY),
            get("/docs/index.html".into(), EVERYBODY),
        ];
        for lesson in [&shop.welcome, &shop.first_steps] {
            for method in ["PUT", "DELETE"] {
                let path = format!("/v1/me/lessons/{lesson}/completion");
                // The owner ticks off as any learner does, with access.
                rows.push((method, path, none.clone(), [401, 403, 204, 403]));
            }
        }
        for lesson in [&shop.draft, &shop.hidden] {
            rows.push((
                "PUT",
                format!("/v1/me/lessons/{lesson}/completion"),
                none.clone(),
                ANOTHERS,
            ));
        }
        // Towards the end, since it gives the access to everybody who asks.
        rows.push((
            "POST",
            format!("/v1/products/{free}/claim"),
            none.clone(),
            [401, 201, 409, 201],
        ));
        // And then they go.
        rows.push(("DELETE", "/v1/me".into(), none, [401, 202, 202, 409]));
        rows
    }
}

/// An event in the inbox.
async fn received(app: &TestApp) -> String {
    app.hear([&event("plan.created", &json!({}))]).await;
    let events = app.admin().get("/v1/admin/webhook-events").await;
    shop::id(&rows_of(events)[0])
}

/// The code that goes with an answer to somebody who may not.
fn code(path: &str, status: u16) -> Option<&'static str> {
    match status {
        401 => Some("unauthenticated"),
        403 if path.starts_with("/v1/admin/") => Some("forbidden"),
        403 => Some("course-access-required"),
        404 => Some("not-found"),
        409 if path == "/v1/me" => Some("last-admin"),
        409 => Some("already-owned"),
        _ => None,
    }
}

async fn ask(client: &Client, method: &str, path: &str, body: &Value) -> crate::support::Reply {
    let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
    let request = if path.ends_with("/refunds") {
        request.header("idempotency-key", "law")
    } else {
        request
    };
    client
        .send(if body.is_null() {
            request
        } else {
            request.json(body)
        })
        .await
}

#[tokio::test]
async fn every_route_answers_each_role_as_the_table_says() {
    let app = TestApp::start().await;
    let world = World::build(&app).await;
    let holder = app.learner("with-access");
    holder.claim(&world.free).await;
    let callers = [
        app.anon(),
        app.learner("without-access"),
        holder,
        app.admin(),
    ];
    for (method, path, body, answers) in world.table() {
        for (client, status) in callers.iter().zip(answers) {
            let reply = ask(client, method, &path, &body).await;
            let who = &client.clerk_user_id;
            assert_eq!(
                reply.status, status,
                "{method} {path} as '{who}': {}",
                reply.text
            );
            if let Some(code) = code(&path, status) {
                assert!(!reply.text.contains("dQw4w9WgXcQ"), "{method} {path}");
                reply.expect_problem(status, code);
            }
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn no_route_is_missing_from_the_table_of_roles() {
    let app = TestApp::start().await;
    let table = World::build(&app).await.table();
    for (path, method, _) in operations(&document(&app).await) {
        let wanted: Vec<_> = path.split('/').collect();
        let listed = table.iter().any(|(listed, address, ..)| {
            let parts: Vec<_> = address.split('/').collect();
            let same = |(part, wanted): (&&str, &&str)| part == wanted || wanted.starts_with('{');
            *listed == method && parts.len() == wanted.len() && parts.iter().zip(&wanted).all(same)
        });
        assert!(listed, "say who may {method} {path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_bad_token_opens_nothing_that_is_not_public_and_is_refused_where_it_counts() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let liar = app.with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyXzEifQ.");
    for path in [
        "/v1/me".to_owned(),
        "/v1/admin/courses".to_owned(),
        format!("/v1/products/{}/quote", shop.product),
        shop.lesson_path(&shop.welcome),
        format!("/v1/courses/{}", shop.course),
    ] {
        let reply = liar.get(&path).await;
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        reply.expect_problem(401, "unauthenticated");
    }
    liar.get("/v1/products").await.expect(200);
    app.finish().await;
}
