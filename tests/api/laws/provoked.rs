//! Every code of the table of problems, with a request that is answered so.

use std::collections::BTreeSet;

use lectern::dev::clerk::{JwksMode, UserEvent};
use lectern::dev::stripe::{Fault, Trouble};
use lectern::problem::Code;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::buying::{CHECKOUTS, open, path};
use crate::support::lists::NOBODY;
use crate::support::shop::{course, order, product, section};
use crate::support::{Client, Reply, Shop, TestApp};

type Provoked = Vec<(&'static str, Reply)>;

/// A request with one header more than usual.
async fn with(client: &Client, path: &str, header: (&str, &str), body: &Value) -> Reply {
    let request = client.request(Method::POST, path).json(body);
    client.send(request.header(header.0, header.1)).await
}

/// What is wrong with a request by itself.
async fn malformed(app: &TestApp) -> Provoked {
    let (anon, admin) = (app.anon(), app.admin());
    let courses = "/v1/admin/courses";
    let raw = |kind: &str, body: String| {
        let request = admin.request(Method::POST, courses);
        admin.send(request.header("content-type", kind).body(body))
    };
    let new = json!({ "name": "N", "description": "D" });
    with(&admin, courses, ("idempotency-key", "k"), &new)
        .await
        .expect(201);
    let other = json!({ "name": "Other", "description": "D" });
    let reused = with(&admin, courses, ("idempotency-key", "k"), &other).await;
    app.sql("UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL");
    let in_use = with(&admin, courses, ("idempotency-key", "k"), &new).await;
    vec![
        (
            "malformed-request",
            raw("application/json", "{".into()).await,
        ),
        (
            "payload-too-large",
            raw("application/json", " ".repeat(70_000)).await,
        ),
        (
            "unsupported-media-type",
            raw("text/plain", "{}".into()).await,
        ),
        ("invalid", raw("application/json", "{}".into()).await),
        ("idempotency-key-reused", reused),
        ("idempotency-key-in-use", in_use),
        ("invalid-cursor", anon.get("/v1/products?cursor=x").await),
        (
            "bad-signature",
            anon.post("/v1/webhooks/stripe", json!({})).await,
        ),
        ("not-found", anon.get("/nowhere").await),
        (
            "method-not-allowed",
            anon.post("/v1/products", json!({})).await,
        ),
    ]
}

/// Who may not.
async fn not_allowed(app: &TestApp, shop: &Shop) -> Provoked {
    let pending = app.learner_with("pending", json!({ "sts": "pending" }));
    let acted = app.learner_with("admin", json!({ "act": { "sub": "user_support" } }));
    let gone = app.learner("gone");
    gone.get("/v1/me").await.expect(200);
    let person = app.clerk.person(&gone.clerk_user_id).unwrap();
    let deleted = app.clerk.user_event(UserEvent::Deleted, &person);
    assert_eq!(app.clerk.deliver(&deleted).await.unwrap(), 200);
    app.work().await;
    let learner = app.learner("one");
    let player = format!("/v1/courses/{}", shop.course);
    vec![
        ("unauthenticated", app.anon().get("/v1/me").await),
        ("account-deleted", gone.get("/v1/me").await),
        ("forbidden", learner.get("/v1/admin/stats").await),
        ("course-access-required", learner.get(&player).await),
        ("session-pending", pending.get("/v1/me").await),
        (
            "impersonation-forbidden",
            acted.get("/v1/admin/stats").await,
        ),
    ]
}

/// What contradicts the state of the shop.
async fn shopping(app: &TestApp, shop: &Shop) -> Provoked {
    let (admin, buyer) = (app.admin(), app.learner("buyer"));
    let free = product(&admin, "Free", 0, &[&shop.course]).await;
    let cheap = product(&admin, "Cheap", 1, &[&shop.course]).await;
    let claim = |product: &str| format!("/v1/products/{product}/claim");
    let mut outdated = shop.order();
    outdated["expectedTotalInCents"] = json!(1);
    let changed = buyer.post(CHECKOUTS, outdated).await;
    let create = "POST /v1/checkout/sessions";
    app.stripe
        .inject(Fault::before_effect(create, Trouble::Status(400)));
    let refused = buyer.post(CHECKOUTS, shop.order()).await;
    app.stripe
        .inject(Fault::before_effect(create, Trouble::Status(500)).times(3));
    let unavailable = buyer.post(CHECKOUTS, shop.order()).await;
    let checkout = open(&buyer, shop.order()).await;
    shop.buy(app, &buyer).await;
    let not_free = app.learner("two").call(&claim(&shop.product)).await;
    vec![
        ("price-changed", changed),
        ("payment-refused", refused),
        ("payment-provider-unavailable", unavailable),
        ("product-free", buyer.post(CHECKOUTS, order(&free)).await),
        (
            "below-minimum-charge",
            buyer.post(CHECKOUTS, order(&cheap)).await,
        ),
        ("product-not-free", not_free),
        ("already-owned", buyer.post(CHECKOUTS, shop.order()).await),
        (
            "checkout-not-open",
            buyer.call(&format!("{}/cancel", path(&checkout))).await,
        ),
    ]
}

/// What contradicts the state of the store.
async fn running(app: &TestApp, shop: &Shop) -> Provoked {
    let admin = app.admin();
    let me = admin.get("/v1/me").await.expect(200);
    let user = format!("/v1/admin/users/{}", me["id"].as_str().unwrap());
    let in_use = format!("/v1/admin/courses/{}", shop.course);
    let spare = course(&admin, "Spare").await;
    let part = section(&admin, &spare, "Part", "public").await;
    for path in [
        format!("/v1/admin/sections/{part}"),
        format!("/v1/admin/courses/{spare}"),
    ] {
        admin.delete(&path).await.expect(204);
    }
    let grants = format!("{user}/grants");
    let grant = json!({ "courseId": shop.course });
    admin.post(&grants, grant.clone()).await.expect(201);
    let stale = admin
        .request(Method::PATCH, &in_use)
        .json(&json!({ "name": "N" }));
    let stale = admin.send(stale.header("if-match", "\"x\"")).await;
    // Two changes that wait for each other: the database lets one of them go.
    app.sql(
        "CREATE FUNCTION give_way() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END $$;
         CREATE TRIGGER gives_way BEFORE UPDATE ON courses FOR EACH ROW EXECUTE FUNCTION give_way()",
    );
    let conflict = admin.patch(&in_use, json!({ "name": "N" })).await;
    app.sql("DROP FUNCTION give_way CASCADE");
    vec![
        ("precondition-failed", stale),
        ("conflict", conflict),
        ("course-in-use", admin.delete(&in_use).await),
        (
            "parent-deleted",
            admin
                .call(&format!("/v1/admin/sections/{part}/restore"))
                .await,
        ),
        (
            "last-admin",
            admin.patch(&user, json!({ "role": "user" })).await,
        ),
        ("already-granted", admin.post(&grants, grant).await),
    ]
}

/// What is down, on our side or another's.
async fn down(app: &TestApp) -> Provoked {
    let (anon, admin) = (app.anon(), app.admin());
    app.break_inserts("courses");
    let broken = admin
        .post(
            "/v1/admin/courses",
            json!({ "name": "N", "description": "D" }),
        )
        .await;
    app.mend();
    app.sql("DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)");
    let not_ready = anon.get("/readyz").await;
    app.cut_database();
    let cut = anon.get(&format!("/v1/products/{NOBODY}")).await;
    app.restore_database();
    vec![
        ("internal-error", broken),
        ("not-ready", not_ready),
        ("database-unavailable", cut),
    ]
}

async fn rate_limited() -> Reply {
    let app = TestApp::start_with(&[("RATE_LIMIT_ANONYMOUS", "1")]).await;
    app.anon().get("/v1/products").await.expect(200);
    let refused = app.anon().get("/v1/products").await;
    app.finish().await;
    refused
}

async fn without_keys() -> Reply {
    let app = TestApp::start().await;
    app.clerk.set_jwks(JwksMode::Fail);
    let refused = app.learner("one").get("/v1/me").await;
    app.finish().await;
    refused
}

/// Codes whose route has a test of its own.
const ELSEWHERE: [&str; 10] = [
    "account-deletion-unavailable",
    "already-refunded",
    "idempotency-key-required",
    "not-acceptable",
    "payload-gone",
    "purchase-disputed",
    "reconcile-running",
    "refund-too-large",
    "request-head-too-large",
    "request-timeout",
];

#[tokio::test]
async fn every_problem_of_the_table_can_be_met() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let mut provoked = malformed(&app).await;
    provoked.extend(not_allowed(&app, &shop).await);
    provoked.extend(shopping(&app, &shop).await);
    provoked.extend(running(&app, &shop).await);
    provoked.extend(down(&app).await);
    provoked.push(("rate-limited", rate_limited().await));
    provoked.push(("identity-provider-unavailable", without_keys().await));
    let mut met: BTreeSet<_> = ELSEWHERE.into();
    for (code, reply) in provoked {
        let known = Code::ALL.iter().find(|known| known.as_str() == code);
        let status = known
            .unwrap_or_else(|| panic!("{code} is not in the table"))
            .status();
        let waits = reply.headers.contains_key("retry-after");
        assert_eq!(waits, matches!(status, 429 | 503), "{code}");
        reply.expect_problem(status, code);
        met.insert(code);
    }
    let table: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(met, table);
    app.finish_with_work_left().await;
}
