//! The inbox as the owner sees it, and events that are worked on once more.

use chrono::{TimeDelta, Utc};
use lectern::jobs::maintenance::tidy;
use serde_json::{Value, json};

use crate::support::buying::{event, look, open, paid, session_event};
use crate::support::lists::{NOBODY, each, rows_of};
use crate::support::{Client, Shop, TestApp};

const EVENTS: &str = "/v1/admin/webhook-events";
const COMPLETED: &str = "checkout.session.completed";

/// The one event that was received.
async fn only(admin: &Client) -> Value {
    let mut rows = rows_of(admin.get(EVENTS).await);
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn address(event: &Value) -> String {
    format!("{EVENTS}/{}", event["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_owner_finds_events_by_provider_status_type_and_time_and_sees_nothing_that_they_say() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let told = [
        event("plan.created", &json!({ "name": "hunter2" })),
        event("plan.updated", &json!({})),
        event("plan.created", &json!({})),
    ];
    app.hear(&told).await;
    let person =
        json!({ "type": "user.created", "data": { "id": "user_1", "first_name": "hunter2" } });
    assert_eq!(app.clerk.deliver(&person).await.unwrap(), 200);

    let all = app.admin().get(EVENTS).await;
    assert!(!all.text.contains("hunter2"));
    let rows = rows_of(all);
    assert_eq!(rows.len(), 4);
    let [clerk, .., first] = rows.as_slice() else {
        panic!("newest first");
    };
    assert_eq!(clerk["provider"], "clerk");
    assert_eq!(clerk["status"], "received");
    assert_eq!(clerk["attempts"], 0);
    assert_eq!(clerk["processedAt"], Value::Null);
    assert_eq!(first["eventId"], told[0]["id"]);
    assert_eq!(first["type"], "plan.created");
    assert_eq!(first["status"], "ignored");
    assert_eq!(first["attempts"], 1);
    assert!(first["receivedAt"].as_str() <= first["processedAt"].as_str());
    assert_eq!(first["lastError"], "events of this type are not used");
    assert_eq!(admin.get(&address(first)).await.expect(200), *first);

    let since = first["receivedAt"].as_str().unwrap();
    for (filter, count) in [
        ("provider=stripe", 3),
        ("provider=clerk", 1),
        ("status=ignored", 3),
        ("status=received", 1),
        ("status=dead", 0),
        ("type=plan.created", 2),
        ("type=plan.created&status=ignored&provider=stripe", 2),
        ("type=plan", 0),
        (&format!("from={since}"), 4),
        (&format!("to={since}"), 0),
    ] {
        let found = admin.walk(&format!("{EVENTS}?limit=1&{filter}")).await;
        assert_eq!(found.len(), count, "{filter}");
        let whole = rows_of(admin.get(&format!("{EVENTS}?{filter}")).await);
        assert_eq!(each(&json!(found), "id"), each(&json!(whole), "id"));
    }
    for filter in [
        "provider=paypal",
        "status=lost",
        "type=",
        "from=today",
        "limit=0",
    ] {
        let refused = admin.get(&format!("{EVENTS}?{filter}")).await;
        refused.expect_problem(422, "invalid");
    }
    let refused = admin.get(&format!("{EVENTS}?cursor=x")).await;
    refused.expect_problem(400, "invalid-cursor");
    app.finish().await;
}

/// H: A13
#[tokio::test]
async fn a_dead_event_that_is_replayed_has_its_effect_once_and_the_log_says_who_did_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let checkout = open(&learner, shop.order()).await;
    let told = session_event(&app, &checkout, COMPLETED, &paid());
    app.break_inserts("purchases");
    app.hear([&told]).await;
    for _ in 1..12 {
        app.work_again().await;
    }
    let dead = only(&admin).await;
    assert_eq!(dead["status"], "dead");
    assert_eq!(dead["attempts"], 12);
    assert_eq!(dead["lastError"], "internal-error");

    app.mend();
    let replay = format!("{}/replay", address(&dead));
    for _ in 0..3 {
        let revived = admin.call(&replay).await.expect(200);
        assert_eq!(revived["status"], "received");
        assert_eq!(revived["attempts"], 0);
        assert_eq!(revived["lastError"], Value::Null);
        assert_eq!(revived["processedAt"], Value::Null);
        app.work().await;
        assert_eq!(only(&admin).await["status"], "processed");
        assert_eq!(look(&learner, &checkout).await["status"], "fulfilled");
        assert_eq!(app.count("purchases"), 1);
    }
    let log = admin.get("/v1/admin/audit-log?entity=webhook_event").await;
    assert!(!log.text.contains("payload"), "{}", log.text);
    let log = rows_of(log);
    assert_eq!(log.len(), 3, "what workers do is not in it");
    let me = admin.get("/v1/me").await.expect(200);
    assert!(log.iter().all(|entry| entry["actorId"] == me["id"]));
    let first = &log[2];
    assert_eq!(first["entityId"], dead["id"]);
    assert_eq!(first["before"]["status"], "dead");
    assert_eq!(first["after"]["status"], "received");
    app.finish().await;
}

#[tokio::test]
async fn an_event_in_the_middle_of_its_back_off_is_due_at_once_when_it_is_replayed() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let checkout = open(&learner, shop.order()).await;
    app.break_inserts("purchases");
    app.hear([&session_event(&app, &checkout, COMPLETED, &paid())])
        .await;
    app.mend();
    app.work().await;
    let waiting = only(&admin).await;
    assert_eq!(waiting["status"], "received");
    assert_eq!(waiting["lastError"], "internal-error");
    let replay = format!("{}/replay", address(&waiting));
    admin.call(&replay).await.expect(200);
    app.work().await;
    assert_eq!(only(&admin).await["status"], "processed");
    app.finish().await;
}

/// H: A23
#[tokio::test]
async fn payloads_go_when_their_time_is_over_and_without_one_there_is_no_replay() {
    let app = TestApp::start().await;
    let admin = app.admin();
    app.hear([&event("plan.created", &json!({}))]).await;
    app.sql("DELETE FROM jobs");
    app.stripe_event(&event("plan.deleted", &json!({})))
        .await
        .expect(200);
    app.sql(
        "INSERT INTO webhook_events (provider, event_id, type, status, payload, updated_at)
         VALUES ('stripe', 'evt_dead', 'plan.updated', 'dead', '{}', now());
         INSERT INTO jobs (payload, status, finished_at) VALUES ('{\"kind\": \"x\"}', 'done', now());
         INSERT INTO jobs (payload, status) VALUES ('{\"kind\": \"y\"}', 'dead')",
    );
    let kept = "webhook_events WHERE payload IS NOT NULL";
    let now = Utc::now();
    for (days, gone, payloads, jobs) in [
        (6, (0, 0), 3, 2),
        (8, (0, 1), 3, 1),
        (29, (0, 0), 3, 1),
        (31, (1, 0), 2, 1),
        (89, (0, 0), 2, 1),
        (91, (1, 0), 1, 1),
        (10_000, (0, 0), 1, 1),
    ] {
        let tidied = tidy(&app.state, now + TimeDelta::days(days)).await.unwrap();
        assert_eq!(tidied, gone, "{days}");
        assert_eq!(app.count(kept), payloads, "{days}");
        assert_eq!(app.count("jobs"), jobs, "{days}");
    }
    // The one that is left is still to be worked on.
    assert_eq!(
        app.count("webhook_events WHERE payload IS NOT NULL AND status = 'received'"),
        1
    );
    for status in ["ignored", "dead"] {
        let events = rows_of(admin.get(&format!("{EVENTS}?status={status}")).await);
        let replay = format!("{}/replay", address(&events[0]));
        admin
            .call(&replay)
            .await
            .expect_problem(409, "payload-gone");
        assert_eq!(admin.get(&address(&events[0])).await.expect(200), events[0]);
    }
    let nothing = admin.call(&format!("{EVENTS}/{NOBODY}/replay")).await;
    nothing.expect_problem(404, "not-found");
    app.sql("DELETE FROM jobs; DELETE FROM webhook_events WHERE status = 'dead'");
    app.finish().await;
}

/// H: A23
#[tokio::test]
async fn many_old_payloads_go_in_batches_and_the_new_ones_stay() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO webhook_events (provider, event_id, type, status, payload, processed_at)
         SELECT 'stripe', 'evt_' || n, 'plan.created', 'ignored', '{}',
             now() - CASE WHEN n <= 1100 THEN interval '31 days' ELSE interval '29 days' END
         FROM generate_series(1, 1200) AS n",
    );
    assert_eq!(tidy(&app.state, Utc::now()).await.unwrap(), (1100, 0));
    assert_eq!(app.count("webhook_events WHERE payload IS NOT NULL"), 100);
    app.finish().await;
}

#[tokio::test]
async fn what_clerk_told_is_not_kept_once_it_was_taken_over() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let person = json!({ "type": "user.created", "data": { "id": "user_1", "first_name": "Ada" } });
    assert_eq!(app.clerk.deliver(&person).await.unwrap(), 200);
    assert_eq!(app.count("webhook_events WHERE payload IS NOT NULL"), 1);
    app.work().await;
    assert_eq!(app.count("webhook_events WHERE payload IS NOT NULL"), 0);
    let replay = format!("{}/replay", address(&only(&admin).await));
    admin
        .call(&replay)
        .await
        .expect_problem(409, "payload-gone");
    app.finish().await;
}
