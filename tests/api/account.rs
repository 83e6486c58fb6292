//! A person's account: what the store tells Clerk about it, what it holds, and how it ends.

use diesel::prelude::*;
use diesel::sql_types::Text;
use lectern::dev::clerk::UserEvent;
use lectern::dev::stripe::Outcome;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::buying::{CHECKOUTS, has_access, open, path};
use crate::support::refunding::Sale;
use crate::support::shop::session_of;
use crate::support::{Client, Shop, TestApp};

const ME: &str = "/v1/me";

/// What Clerk holds for frontends to see.
fn metadata(app: &TestApp, person: &Client) -> Value {
    app.clerk
        .person(&person.clerk_user_id)
        .unwrap()
        .public_metadata
}

/// Delivers the event that Clerk sends of a person as they are now.
async fn announce(app: &TestApp, person: &Client, kind: UserEvent) {
    let known = app.clerk.person(&person.clerk_user_id).unwrap();
    let status = app.clerk.deliver(&app.clerk.user_event(kind, &known)).await;
    assert_eq!(status.unwrap(), 200);
    app.work().await;
}

/// H: F11
#[tokio::test]
async fn clerk_learns_who_somebody_is_here_and_its_echo_writes_nothing() {
    let app = TestApp::start().await;
    let (admin, ana) = (app.admin(), app.learner("ana"));
    let me = ana.get(ME).await.expect(200);
    app.work().await;
    let expected = json!({ "dbId": me["id"], "role": "user" });
    assert_eq!(metadata(&app, &ana), expected);
    let written = app.clerk.count_calls("PATCH");
    announce(&app, &ana, UserEvent::Updated).await;
    announce(&app, &ana, UserEvent::Updated).await;
    assert_eq!(app.clerk.count_calls("PATCH"), written);

    let path = format!("/v1/admin/users/{}", me["id"].as_str().unwrap());
    admin
        .patch(&path, json!({ "role": "admin" }))
        .await
        .expect(200);
    app.work().await;
    assert_eq!(metadata(&app, &ana)["role"], "admin");
    announce(&app, &ana, UserEvent::Updated).await;
    assert_eq!(app.clerk.count_calls("PATCH"), written + 1);
    app.finish().await;
}

/// H: F9, F11
#[tokio::test]
async fn what_somebody_else_wrote_into_the_metadata_is_put_right() {
    let app = TestApp::start().await;
    let ana = app.learner("ana");
    ana.get(ME).await.expect(200);
    app.work().await;
    let forge = |person: &mut lectern::dev::clerk::Person| {
        person.public_metadata = json!({ "role": "admin", "theme": "dark" });
    };
    app.clerk.update_person(&ana.clerk_user_id, forge).unwrap();
    announce(&app, &ana, UserEvent::Updated).await;
    let held = metadata(&app, &ana);
    assert_eq!(
        (&held["role"], &held["theme"]),
        (&json!("user"), &json!("dark"))
    );
    assert_eq!(ana.get(ME).await.expect(200)["role"], "user");
    app.finish().await;
}

/// H: F11
#[tokio::test]
async fn what_clerk_could_not_be_told_is_told_later() {
    let app = TestApp::start().await;
    let ana = app.learner("ana");
    app.clerk.fail_calls(3);
    ana.get(ME).await.expect(200);
    app.work().await;
    assert_eq!(metadata(&app, &ana), json!({}));
    app.work_again().await;
    assert_eq!(metadata(&app, &ana)["role"], "user");
    app.finish().await;
}

/// Every text and document in the database, of every table there is.
fn all_text(app: &TestApp) -> String {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let tables = "SELECT format('SELECT to_jsonb(t)::text AS text FROM %I t', tablename) AS text
        FROM pg_tables WHERE schemaname = 'public'
        UNION ALL SELECT 'SELECT convert_from(body, ''UTF8'') AS text FROM idempotency_keys WHERE body IS NOT NULL'";
    let mut db = app.db();
    let queries: Vec<Row> = diesel::sql_query(tables).load(&mut db).unwrap();
    let mut texts = String::new();
    for query in queries {
        let rows: Vec<Row> = diesel::sql_query(query.text).load(&mut db).unwrap();
        texts.extend(rows.into_iter().map(|row| row.text));
    }
    texts
}

/// H: F3, A23
#[tokio::test]
async fn after_a_deletion_nothing_personal_is_left_anywhere() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, ana) = (app.admin(), app.learner("ana-lovelace"));
    announce(&app, &ana, UserEvent::Created).await;
    let me = ana.get(ME).await.expect(200);
    let person = me["id"].as_str().unwrap();
    shop.buy(&app, &ana).await;
    let grants = format!("/v1/admin/users/{person}/grants");
    let gift = json!({ "courseId": shop.course, "reason": "A gift to Ana Lovelace" });
    let request = admin.request(Method::POST, &grants).json(&gift);
    let gift = admin.send(request.header("idempotency-key", "gift")).await;
    gift.expect(201);
    let purchases = ana.get("/v1/me/purchases").await.expect(200);
    let bought = purchases["data"][0]["id"].as_str().unwrap();
    let refunds = format!("/v1/admin/purchases/{bought}/refunds");
    let wish = json!({ "amountInCents": 100, "reason": "A wish of Ana Lovelace" });
    admin.refund(&refunds, wish, "wish").await.expect(201);
    // An event that could not be worked on yet.
    app.sql("ALTER TABLE users ADD CONSTRAINT broken CHECK (name <> 'Grace Lovelace') NOT VALID");
    let rename =
        |person: &mut lectern::dev::clerk::Person| person.first_name = Some("Grace".into());
    app.clerk.update_person(&ana.clerk_user_id, rename).unwrap();
    announce(&app, &ana, UserEvent::Updated).await;
    let receipt = purchases["data"][0]["receiptUrl"].as_str().unwrap();
    let image = me["imageUrl"].as_str().unwrap();
    let personal = [
        "ana-lovelace@",
        "A gift to",
        "A wish of",
        "Lovelace",
        image,
        receipt,
    ];
    let before = all_text(&app);
    for fact in personal {
        assert!(before.contains(fact), "{fact} was never held");
    }
    let money = admin.get("/v1/admin/stats").await.expect(200);

    announce(&app, &ana, UserEvent::Deleted).await;
    app.work_again().await;
    let after = all_text(&app);
    for fact in personal {
        let found = after
            .find(fact)
            .map(|at| &after[at.saturating_sub(300)..at + fact.len()]);
        assert_eq!(found, None, "{fact} is left");
    }
    let of_person = format!("WHERE user_id = '{person}'");
    assert_eq!(
        app.count(&format!(
            "purchases {of_person} AND price_paid_in_cents = 4900"
        )),
        1
    );
    assert_eq!(app.count(&format!("user_course_access {of_person}")), 0);
    let mut now = admin.get("/v1/admin/stats").await.expect(200);
    now["studentCount"] = money["studentCount"].clone();
    assert_eq!(now, money);
    app.finish().await;
}

/// H: F3
#[tokio::test]
async fn whoever_is_deleted_can_not_be_charged_any_more() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let ana = app.learner("ana");
    let checkout = open(&ana, shop.order()).await;
    announce(&app, &ana, UserEvent::Deleted).await;
    let session = session_of(&app, &checkout);
    assert_eq!(app.stripe.object(&session).unwrap()["status"], "expired");
    app.stripe.pay(&session, Outcome::Paid).unwrap_err();
    app.settle().await;
    app.finish().await;
}

/// H: C8, F3
#[tokio::test]
async fn who_paid_before_the_deletion_was_known_has_a_purchase_and_no_access() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let ana = app.learner("ana");
    let checkout = open(&ana, shop.order()).await;
    app.stripe
        .pay(&session_of(&app, &checkout), Outcome::Paid)
        .unwrap();
    announce(&app, &ana, UserEvent::Deleted).await;
    app.settle().await;
    assert_eq!(
        app.count("purchases WHERE 'buyer-deleted' = ANY (flags)"),
        1
    );
    assert_eq!(app.count("user_course_access"), 0);
    app.finish().await;
}

#[tokio::test]
async fn an_export_holds_everything_about_the_caller_and_nothing_about_others() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (ana, ben) = (app.learner("ana"), app.learner("ben"));
    shop.buy(&app, &ben).await;
    let checkout = shop.buy(&app, &ana).await;
    let tick = format!("/v1/me/lessons/{}/completion", shop.first_steps);
    ana.put(&tick).await.expect(204);
    let sale = Sale::behind(&app, &shop, ana.clone(), &checkout);
    app.sql("UPDATE checkouts SET customer_email = 'ana@example.com'");
    let part = json!({ "amountInCents": 100, "reason": "Did not like it" });
    sale.refund(part).await;
    let reply = ana.get("/v1/me/export").await;
    assert!(
        reply
            .header("content-disposition")
            .starts_with("attachment")
    );
    assert_eq!(reply.header("cache-control"), "private, no-store");
    let export = reply.expect(200);
    assert_eq!(export["profile"], ana.get(ME).await.expect(200));
    let purchases = ana.get("/v1/me/purchases").await.expect(200);
    assert_eq!(export["purchases"].as_array().unwrap().len(), 1);
    for (field, value) in purchases["data"][0].as_object().unwrap() {
        assert_eq!(export["purchases"][0][field], *value, "{field}");
    }
    assert_eq!(export["purchases"][0]["cardCountry"], "US");
    assert_eq!(export["checkouts"].as_array().unwrap().len(), 1);
    assert_eq!(export["checkouts"][0]["id"], checkout["id"]);
    assert_eq!(export["checkouts"][0]["email"], "ana@example.com");
    assert_eq!(export["refunds"].as_array().unwrap().len(), 1);
    assert_eq!(export["refunds"][0]["reason"], "Did not like it");
    assert_eq!(export["refunds"][0]["requestedBy"], json!(null));
    assert_eq!(export["disputes"], json!([]));
    assert_eq!(export["access"][0]["courseId"], shop.course);
    assert_eq!(export["access"][0]["hasAccess"], true);
    assert_eq!(export["completions"].as_array().unwrap().len(), 1);
    assert_eq!(export["completions"][0]["lessonId"], shop.first_steps);
    app.anon()
        .get("/v1/me/export")
        .await
        .expect_problem(401, "unauthenticated");
    app.finish().await;
}

/// H: F3
#[tokio::test]
async fn who_asks_for_it_is_deleted_at_clerk_and_here_though_the_webhook_is_lost() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let ana = app.learner("ana");
    shop.buy(&app, &ana).await;
    app.work().await;
    assert_eq!(ana.delete(ME).await.status, 202);
    app.clerk.fail_calls(3);
    app.work().await;
    assert_eq!(ana.delete(ME).await.status, 202);
    assert!(has_access(&ana, &shop.course).await);
    app.work_again().await;
    assert_eq!(app.clerk.person(&ana.clerk_user_id), None);
    ana.get(ME).await.expect_problem(401, "account-deleted");
    assert_eq!(app.count("users WHERE deleted_at IS NOT NULL"), 1);
    assert_eq!(app.count("user_course_access"), 0);
    app.finish().await;
}

#[tokio::test]
async fn neither_the_last_admin_nor_somebody_who_acts_for_another_can_delete_the_account() {
    let app = TestApp::start().await;
    let admin = app.admin();
    admin.delete(ME).await.expect_problem(409, "last-admin");
    let actor = json!({ "act": { "sub": "user_support" } });
    let impersonator = app.learner_with("ana", actor);
    for (method, path) in [(Method::DELETE, ME), (Method::GET, "/v1/me/export")] {
        let reply = impersonator.send(impersonator.request(method, path)).await;
        reply.expect_problem(403, "impersonation-forbidden");
    }
    app.work().await;
    assert_eq!(app.clerk.count_calls("DELETE"), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_store_without_a_key_for_clerk_says_who_can_delete_an_account() {
    let app = TestApp::start_with(&[("CLERK_SECRET_KEY", "")]).await;
    let ana = app.learner("ana");
    let refused = ana.delete(ME).await;
    refused.expect_problem(503, "account-deletion-unavailable");
    app.work().await;
    assert_eq!(metadata(&app, &ana), json!({}));
    app.finish().await;
}

/// H: F2
#[tokio::test]
async fn a_deleted_person_can_not_buy_with_a_token_that_still_holds() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let ana = app.learner("ana");
    let checkout = open(&ana, shop.order()).await;
    announce(&app, &ana, UserEvent::Deleted).await;
    ana.post(CHECKOUTS, shop.order())
        .await
        .expect_problem(401, "account-deleted");
    ana.get(&path(&checkout))
        .await
        .expect_problem(401, "account-deleted");
    app.settle().await;
    app.finish().await;
}
