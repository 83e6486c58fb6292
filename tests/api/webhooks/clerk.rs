//! Clerk's events: people who appear, change and go, in any order.

use chrono::{TimeDelta, Utc};
use lectern::dev::clerk::TokenOptions;
use serde_json::{Value, json};

use crate::support::buying::{look, open, path};
use crate::support::{Client, Shop, TestApp};

/// The person of the recorded events.
const RECORDED: &str = "user_29w83sxmDNGwOuEthce5gg56FcC";

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn created() -> Value {
    recorded(include_str!("../../fixtures/clerk/user.created.json"))
}

/// Eight seconds after the creation, without a name.
fn updated() -> Value {
    recorded(include_str!(
        "../../fixtures/clerk/user.updated.null-name.json"
    ))
}

fn deleted() -> Value {
    recorded(include_str!("../../fixtures/clerk/user.deleted.json"))
}

/// An event with some fields of its user different.
fn with(mut event: Value, changes: Value) -> Value {
    let fields = event["data"].as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    event
}

/// Delivers events one after the other, each as a message of its own, and works on them.
async fn hear(app: &TestApp, events: &[Value]) {
    for event in events {
        assert_eq!(app.clerk.deliver(event).await.unwrap(), 200);
        app.work().await;
    }
}

/// Somebody with a valid token.
fn person(app: &TestApp, clerk_user_id: &str) -> Client {
    let token = app.clerk.mint(clerk_user_id, &TokenOptions::default());
    app.with_token(&token.unwrap())
}

async fn me(app: &TestApp, clerk_user_id: &str) -> Value {
    person(app, clerk_user_id).get("/v1/me").await.expect(200)
}

/// H: F1
#[tokio::test]
async fn the_newest_facts_win_in_whatever_order_they_come() {
    for events in [
        vec![created(), updated()],
        vec![updated(), created()],
        vec![created(), updated(), created(), updated()],
    ] {
        let app = TestApp::start().await;
        hear(&app, &events).await;
        let me = me(&app, RECORDED).await;
        assert_eq!(me["name"], json!(null));
        assert_eq!(me["email"], "example@example.org");
        assert_eq!(me["imageUrl"], "https://img.clerk.com/xxxxxx");
        assert_eq!(app.count("users"), 1);
        app.finish().await;
    }
}

/// H: F2, F3
#[tokio::test]
async fn a_deleted_person_stays_deleted_whatever_comes_before_or_after() {
    for events in [
        vec![created(), deleted(), created()],
        vec![created(), updated(), deleted(), updated()],
        vec![deleted(), created()],
        vec![deleted(), deleted()],
        vec![created(), deleted(), deleted(), updated(), created()],
    ] {
        let app = TestApp::start().await;
        hear(&app, &events).await;
        let refused = person(&app, RECORDED).get("/v1/me").await;
        refused.expect_problem(401, "account-deleted");
        let tombstone = "users WHERE deleted_at IS NOT NULL AND email IS NULL
            AND name IS NULL AND image_url IS NULL AND role = 'user'";
        assert_eq!(app.count(tombstone), 1);
        assert_eq!(app.count("users"), 1);
        app.finish().await;
    }
}

/// H: F3
#[tokio::test]
async fn a_deletion_takes_the_personal_data_and_leaves_the_purchases() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    hear(&app, &[created()]).await;
    let buyer = person(&app, RECORDED);
    let checkout = shop.buy(&app, &buyer).await;
    assert_eq!(app.count("checkouts WHERE customer_email IS NOT NULL"), 1);
    hear(&app, &[deleted()]).await;
    assert_eq!(app.count("checkouts WHERE customer_email IS NOT NULL"), 0);
    let kept = "purchases JOIN users ON users.id = user_id
        WHERE deleted_at IS NOT NULL AND users.email IS NULL AND price_paid_in_cents = 4900";
    assert_eq!(app.count(kept), 1);
    let refused = buyer.get(&path(&checkout)).await;
    refused.expect_problem(401, "account-deleted");
    app.finish().await;
}

/// H: F4
#[tokio::test]
async fn who_signed_in_before_clerk_told_of_them_is_the_same_person_afterwards() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let before = me(&app, RECORDED).await;
    assert_eq!(before["name"], json!(null));
    assert_eq!(before["email"], json!(null));
    let buyer = person(&app, RECORDED);
    let checkout = open(&buyer, shop.order()).await;
    hear(&app, &[created()]).await;
    let after = me(&app, RECORDED).await;
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["name"], "Example Example");
    assert_eq!(after["email"], "example@example.org");
    assert_eq!(look(&buyer, &checkout).await, checkout);
    app.finish().await;
}

/// H: F5
#[tokio::test]
async fn a_name_is_what_there_is_of_one() {
    let app = TestApp::start().await;
    for (index, (first, last, name)) in [
        (json!("Ada"), json!("Lovelace"), json!("Ada Lovelace")),
        (json!("Ada"), json!(null), json!("Ada")),
        (json!(null), json!("Lovelace"), json!("Lovelace")),
        (json!(null), json!(null), json!(null)),
        (json!(""), json!("  "), json!(null)),
        (json!(" Ada "), json!("Love\0lace"), json!("Ada Lovelace")),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("user_{index}");
        let changes = json!({ "id": id, "first_name": first, "last_name": last });
        hear(&app, &[with(created(), changes)]).await;
        assert_eq!(me(&app, &id).await["name"], name);
    }
    let without = json!({ "id": "user_bare" });
    let bare = json!({ "type": "user.created", "object": "event", "data": without });
    hear(&app, &[bare]).await;
    assert_eq!(me(&app, "user_bare").await["name"], json!(null));
    app.finish().await;
}

/// H: F6
#[tokio::test]
async fn an_address_counts_when_it_is_the_primary_one_and_verified() {
    let app = TestApp::start().await;
    let phone = include_str!("../../fixtures/clerk/user.created.phone-only.json");
    hear(&app, &[recorded(phone)]).await;
    let me = me(&app, RECORDED).await;
    assert_eq!(me["email"], json!(null));
    assert_eq!(me["name"], json!(null));

    let address = |id: &str, status: Value| json!({ "id": id, "email_address": "a@example.org", "verification": status });
    let verified = json!({ "status": "verified" });
    for (index, (primary, address, email)) in [
        (
            json!("idn_1"),
            address("idn_1", verified.clone()),
            json!("a@example.org"),
        ),
        (
            json!("idn_1"),
            address("idn_1", json!({ "status": "unverified" })),
            json!(null),
        ),
        (json!("idn_1"), address("idn_1", json!(null)), json!(null)),
        (
            json!("idn_1"),
            address("idn_2", verified.clone()),
            json!(null),
        ),
        (json!(null), address("idn_1", verified), json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("user_{index}");
        let changes = json!({
            "id": id, "primary_email_address_id": primary, "email_addresses": [address],
        });
        hear(&app, &[with(created(), changes)]).await;
        let me = person(&app, &id).get("/v1/me").await.expect(200);
        assert_eq!(me["email"], email, "{index}");
    }
    app.finish().await;
}

/// H: F7, F8
#[tokio::test]
async fn an_address_may_move_to_somebody_else_and_both_may_go() {
    let app = TestApp::start().await;
    let second = json!({ "id": "user_second" });
    hear(&app, &[created(), with(created(), second.clone())]).await;
    let (first, other) = (me(&app, RECORDED).await, me(&app, "user_second").await);
    assert_eq!(first["email"], other["email"]);
    assert_ne!(first["id"], other["id"]);
    hear(&app, &[deleted(), with(deleted(), second)]).await;
    assert_eq!(app.count("users WHERE deleted_at IS NOT NULL"), 2);
    app.finish().await;
}

/// H: F9
#[tokio::test]
async fn a_role_in_clerks_metadata_is_not_a_role_here() {
    let app = TestApp::start().await;
    let admin = json!({ "role": "admin" });
    let changes = json!({ "public_metadata": admin, "private_metadata": admin, "role": "admin" });
    hear(&app, &[with(created(), changes)]).await;
    assert_eq!(me(&app, RECORDED).await["role"], "user");
    let refused = person(&app, RECORDED).get("/v1/admin/courses").await;
    refused.expect_problem(403, "forbidden");
    app.finish().await;
}

/// H: A15, A16
#[tokio::test]
async fn what_clerk_says_beside_people_is_accepted_and_ignored() {
    let app = TestApp::start().await;
    let events = [
        json!({ "type": "session.created", "data": { "id": "sess_1" } }),
        json!({ "type": "user.created" }),
        json!({ "type": "user.created", "data": null }),
        json!({ "type": "user.updated", "data": { "id": 7 } }),
        json!({ "type": "user.updated", "data": { "id": RECORDED, "updated_at": "today" } }),
        json!({ "type": "user.deleted", "data": { "deleted": true, "object": "user" } }),
    ];
    hear(&app, &events).await;
    assert_eq!(app.count("webhook_events WHERE status = 'ignored'"), 6);
    assert_eq!(app.count("users"), 0);
    app.finish().await;
}

/// H: A5
#[tokio::test]
async fn a_message_that_comes_again_is_accepted_and_works_once() {
    let app = TestApp::start().await;
    for age in [9, 5, 0] {
        let sent_at = Utc::now() - TimeDelta::seconds(age);
        let status = app.clerk.deliver_as("msg_1", sent_at, &created()).await;
        assert_eq!(status.unwrap(), 200);
        app.work().await;
    }
    let handled = "webhook_events WHERE status = 'processed' AND attempts = 1";
    assert_eq!(app.count(handled), 1);
    assert_eq!(app.count("webhook_events"), 1);
    app.finish().await;
}
