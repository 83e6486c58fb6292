//! `Idempotency-Key`: done once, answered as often as it is asked.

use diesel::connection::SimpleConnection;
use futures_util::future::{Either, join_all, select};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::lists::NOBODY;
use crate::support::shop::{course, product};
use crate::support::{Client, Reply, Shop, TestApp};

const COURSES: &str = "/v1/admin/courses";

fn new_course() -> Value {
    json!({ "name": "N", "description": "D" })
}

async fn post(client: &Client, path: &str, key: &str, body: &Value) -> Reply {
    let request = client.request(Method::POST, path);
    client
        .send(request.header("idempotency-key", key).json(body))
        .await
}

fn is_replayed(reply: &Reply) -> bool {
    reply
        .headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

#[tokio::test]
async fn a_repeated_post_is_done_once_and_answered_the_same() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let first = post(&admin, COURSES, "\"key-1\"", &new_course()).await;
    assert!(!is_replayed(&first));
    // The bare word is the same key as the quoted string.
    for key in ["\"key-1\"", "key-1"] {
        let again = post(&admin, COURSES, key, &new_course()).await;
        assert!(is_replayed(&again), "{key}");
        assert_eq!((again.status, &again.text), (first.status, &first.text));
        for header in ["location", "etag", "content-type", "cache-control"] {
            assert_eq!(again.header(header), first.header(header));
        }
    }
    assert_eq!(app.count("courses"), 1);
    // Another key, no key: another request.
    post(&admin, COURSES, "\"key-2\"", &new_course())
        .await
        .expect(201);
    admin.post(COURSES, new_course()).await.expect(201);
    assert_eq!(app.count("courses"), 3);
    app.finish().await;
}

#[tokio::test]
async fn a_key_belongs_to_a_person_an_address_and_a_payload() {
    let app = TestApp::start().await;
    let admin = app.admin();
    post(&admin, COURSES, "k", &new_course()).await.expect(201);
    let other = json!({ "name": "Other", "description": "D" });
    let reused = post(&admin, COURSES, "k", &other).await;
    reused.expect_problem(422, "idempotency-key-reused");
    let reused = post(&admin, &format!("{COURSES}?x=1"), "k", &new_course()).await;
    reused.expect_problem(422, "idempotency-key-reused");
    assert_eq!(app.count("courses"), 1);
    let id = course(&admin, "Held").await;
    for title in ["A", "B"] {
        product(&admin, title, 0, &[&id]).await;
    }
    let shop = app.anon().get("/v1/products").await.expect(200);
    for learner in [app.learner("one"), app.learner("two")] {
        for row in shop["data"].as_array().unwrap() {
            let path = format!("/v1/products/{}/claim", row["id"].as_str().unwrap());
            let claimed = post(&learner, &path, "k", &Value::Null).await;
            assert!(!is_replayed(&claimed));
            let location = claimed.header("location").to_owned();
            claimed.expect(201);
            let again = post(&learner, &path, "k", &Value::Null).await;
            assert_eq!(again.header("location"), location);
            assert!(is_replayed(&again));
        }
    }
    assert_eq!(app.count("purchases"), 4);
    app.finish().await;
}

#[tokio::test]
async fn a_key_is_one_printable_string_of_at_most_255_characters() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let (long, longest) = ("k".repeat(300), "k".repeat(255));
    for bad in [
        "", "\"\"", "\"open", "\"a\" b", "\"a\\b\"", "é", "a\tb", &long,
    ] {
        let refused = post(&admin, COURSES, bad, &new_course()).await;
        refused.expect_problem(400, "malformed-request");
    }
    let twice = admin.request(Method::POST, COURSES).json(&new_course());
    let twice = twice
        .header("idempotency-key", "a")
        .header("idempotency-key", "b");
    admin
        .send(twice)
        .await
        .expect_problem(400, "malformed-request");
    assert_eq!(app.count("courses"), 0);
    for good in [
        "\"a b \\\" \\\\\"",
        "8e03978e-40d5-43e8-bc93-6894a57f9324",
        &longest,
    ] {
        post(&admin, COURSES, good, &new_course()).await.expect(201);
    }
    // Strangers hear that they are strangers, whatever their key.
    let refused = post(&app.anon(), COURSES, &long, &new_course()).await;
    refused.expect_problem(401, "unauthenticated");
    let refused = post(&app.learner("one"), COURSES, &long, &new_course()).await;
    refused.expect_problem(403, "forbidden");
    app.finish().await;
}

#[tokio::test]
async fn a_refusal_is_kept_but_a_failure_is_not() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let path = format!("{COURSES}/{NOBODY}/restore");
    let first = post(&admin, &path, "k", &Value::Null).await;
    let again = post(&admin, &path, "k", &Value::Null).await;
    assert!(is_replayed(&again));
    assert_eq!(again.text, first.text);
    again.expect_problem(404, "not-found");
    let invalid = post(&admin, COURSES, "k", &json!({})).await;
    invalid.expect_problem(422, "invalid");
    let again = post(&admin, COURSES, "k", &json!({})).await;
    assert!(is_replayed(&again));
    // A fault of ours gives the key free.
    app.break_inserts("courses");
    let broken = post(&admin, COURSES, "later", &new_course()).await;
    broken.expect_problem(500, "internal-error");
    app.mend();
    let other = json!({ "name": "Other", "description": "D" });
    let reused = post(&admin, COURSES, "later", &other).await;
    reused.expect_problem(422, "idempotency-key-reused");
    let done = post(&admin, COURSES, "later", &new_course()).await;
    assert!(!is_replayed(&done));
    done.expect(201);
    app.finish().await;
}

/// H: D2
#[tokio::test]
async fn of_fifty_requests_at_once_under_one_key_one_is_done() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let body = new_course();
    let replies = join_all((0..50).map(|_| post(&admin, COURSES, "once", &body))).await;
    let (done, refused): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| reply.status == 201);
    assert!(!done.is_empty());
    assert_eq!(done.iter().filter(|reply| !is_replayed(reply)).count(), 1);
    assert!(done.iter().all(|reply| reply.text == done[0].text));
    for reply in refused {
        reply.expect_problem(409, "idempotency-key-in-use");
    }
    assert_eq!(app.count("courses"), 1);
    assert!(is_replayed(&post(&admin, COURSES, "once", &body).await));
    app.finish().await;
}

#[tokio::test]
async fn an_answer_that_was_lost_after_the_commit_is_given_again() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let shop = Shop::open_at(&app, 0).await;
    // The answer is written with the effect, so nothing that comes after the commit can lose it: here, the caller goes
    // away while the transaction still runs.
    let learner = app.learner("one");
    let claim = format!("/v1/products/{}/claim", shop.product);
    for (client, path, body, table) in [
        (&admin, COURSES, new_course(), "courses"),
        (&learner, claim.as_str(), Value::Null, "purchases"),
    ] {
        let before = app.count(table);
        let request = client
            .request(Method::POST, path)
            .header("idempotency-key", "lost");
        let mut holder = app.db();
        let lock = format!("BEGIN; LOCK TABLE {table} IN SHARE MODE");
        holder.batch_execute(&lock).unwrap();
        let asked = Box::pin(request.json(&body).send());
        let given_up = select(asked, Box::pin(app.waits_for_locks(1))).await;
        assert!(matches!(given_up, Either::Right(_)), "{path}");
        drop(given_up);
        let early = post(client, path, "lost", &body).await;
        early.expect_problem(409, "idempotency-key-in-use");
        holder.batch_execute("COMMIT").unwrap();
        // Until the transaction ends the request is still being worked on.
        let again = loop {
            let again = post(client, path, "lost", &body).await;
            if again.status != 409 {
                break again;
            }
            again.expect_problem(409, "idempotency-key-in-use");
        };
        assert!(is_replayed(&again), "{path}: {}", again.text);
        let location = again.header("location").to_owned();
        again.expect(201);
        client.get(&location).await.expect(200);
        assert_eq!(app.count(table), before + 1, "{table}");
    }
    app.finish().await;
}

#[tokio::test]
async fn an_attempt_that_died_may_be_repeated_and_loses_against_its_repetition() {
    let app = TestApp::start().await;
    let admin = app.admin();
    app.sql(
        "CREATE FUNCTION overtake() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN UPDATE idempotency_keys SET attempt = gen_random_uuid(), locked_until = now(); RETURN NEW; END $$;
         CREATE TRIGGER overtaken BEFORE INSERT ON courses FOR EACH ROW EXECUTE FUNCTION overtake()",
    );
    // Another attempt has the key now: this one's effect is rolled back.
    let lost = post(&admin, COURSES, "k", &new_course()).await;
    lost.expect_problem(409, "idempotency-key-in-use");
    assert_eq!(app.count("courses"), 0);
    app.sql("DROP FUNCTION overtake CASCADE");
    app.sql("UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, locked_until = now() + interval '1 minute'");
    let held = post(&admin, COURSES, "k", &new_course()).await;
    held.expect_problem(409, "idempotency-key-in-use");
    app.sql("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'");
    let other = json!({ "name": "Other", "description": "D" });
    let reused = post(&admin, COURSES, "k", &other).await;
    reused.expect_problem(422, "idempotency-key-reused");
    post(&admin, COURSES, "k", &new_course()).await.expect(201);
    assert_eq!(app.count("courses"), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_and_with_its_person() {
    let app = TestApp::start().await;
    let admin = app.admin();
    post(&admin, COURSES, "k", &new_course()).await.expect(201);
    app.sql("UPDATE idempotency_keys SET expires_at = now()");
    let anew = post(&admin, COURSES, "k", &new_course()).await;
    assert!(!is_replayed(&anew));
    anew.expect(201);
    app.sql("UPDATE idempotency_keys SET expires_at = now() - interval '1 hour'");
    post(&admin, COURSES, "other", &new_course())
        .await
        .expect(201);
    assert_eq!(app.count("idempotency_keys"), 1, "the expired one is gone");
    let me = admin.get("/v1/me").await.expect(200);
    let id = me["id"].as_str().unwrap().parse().unwrap();
    let forgotten = lectern::repositories::idempotency_key::forget(&mut app.db(), id);
    assert_eq!(forgotten, Ok(1));
    app.finish().await;
}

/// H: F10
#[tokio::test]
async fn what_was_kept_is_only_for_those_who_would_be_let_in_now() {
    let app = TestApp::start().await;
    let admin = app.admin();
    post(&admin, COURSES, "k", &new_course()).await.expect(201);
    app.sql("UPDATE users SET role = 'user'");
    let refused = post(&admin, COURSES, "k", &new_course()).await;
    assert!(!is_replayed(&refused));
    refused.expect_problem(403, "forbidden");
    app.finish().await;
}

#[tokio::test]
async fn a_checkout_under_one_key_is_opened_once_whether_its_answer_was_kept_or_not() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let buyer = app.learner("one");
    let path = "/v1/checkout/sessions";
    let first = post(&buyer, path, "k", &shop.order()).await.expect(201);
    app.sql("DELETE FROM idempotency_keys");
    let again = post(&buyer, path, "k", &shop.order()).await;
    assert!(!is_replayed(&again));
    assert_eq!(again.expect(201), first);
    assert!(is_replayed(&post(&buyer, path, "k", &shop.order()).await));
    app.finish().await;
}
