//! Who is calling: the token decides, the database knows the role, and nothing else counts.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use lectern::dev::clerk::{JwksMode, TokenOptions, UserEvent};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Shop, TestApp};

const ADMIN: &str = "/v1/admin/courses";

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

/// The token of somebody who is good, but for what the options change.
fn token(app: &TestApp, options: &TokenOptions) -> String {
    app.clerk.mint("user_2token", options).unwrap()
}

#[tokio::test]
async fn a_valid_token_tells_who_the_caller_is() {
    let app = TestApp::start().await;
    let learner = app.learner("one");
    let reply = learner.get("/v1/me").await;
    assert_eq!(reply.header("cache-control"), "private, no-store");
    let me = reply.expect(200);
    assert_eq!(me["clerkUserId"], learner.clerk_user_id);
    assert_eq!(me["role"], "user");
    for unknown in ["name", "email", "imageUrl"] {
        assert_eq!(me[unknown], Value::Null);
    }
    assert_eq!(learner.get("/v1/me").await.expect(200), me);
    assert_eq!(app.admin().get("/v1/me").await.expect(200)["role"], "admin");

    let reply = app.anon().get("/v1/me").await;
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    reply.expect_problem(401, "unauthenticated");
    app.finish().await;
}

/// H: F4
#[tokio::test]
async fn many_first_requests_at_once_make_one_person() {
    let app = TestApp::start().await;
    let learner = app.learner("one");
    let seen = join_all((0..20).map(|_| learner.get("/v1/me"))).await;
    let mut ids: Vec<_> = seen
        .into_iter()
        .map(|reply| reply.expect(200)["id"].to_string())
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(app.count("users"), 1);
    app.finish().await;
}

/// H: F9
#[tokio::test]
async fn a_role_that_a_token_claims_is_not_a_role() {
    let app = TestApp::start().await;
    let claims = json!({
        "role": "admin", "org_role": "org:admin", "metadata": { "role": "admin" },
        "public_metadata": { "role": "admin" }, "o": { "rol": "admin" },
    });
    let client = app.learner_with("one", claims);
    assert_eq!(client.get("/v1/me").await.expect(200)["role"], "user");
    let refused = client.get(ADMIN).await;
    refused.expect_problem(403, "forbidden");
    app.finish().await;
}

/// H: F10
#[tokio::test]
async fn a_demotion_counts_from_the_next_request_on() {
    let app = TestApp::start().await;
    let admin = app.admin();
    admin.get(ADMIN).await.expect(200);
    app.sql("UPDATE users SET role = 'user'");
    let refused = admin.get(ADMIN).await;
    refused.expect_problem(403, "forbidden");
    let body = json!({ "name": "A course", "description": "Never made." });
    let refused = admin.post(ADMIN, body).await;
    refused.expect_problem(403, "forbidden");
    assert_eq!(app.count("courses"), 0);
    app.finish().await;
}

/// H: F17
#[tokio::test]
async fn a_deleted_person_is_refused_although_the_token_is_still_good() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let person = app.clerk.person(&admin.clerk_user_id).unwrap();
    let deleted = app.clerk.user_event(UserEvent::Deleted, &person);
    assert_eq!(app.clerk.deliver(&deleted).await.unwrap(), 200);
    app.work().await;
    let quote = format!("/v1/products/{}/quote", shop.product);
    for path in ["/v1/me", ADMIN, "/v1/me/courses", &quote] {
        let refused = admin.get(path).await;
        assert_eq!(refused.header("www-authenticate"), "Bearer");
        refused.expect_problem(401, "account-deleted");
    }
    app.finish().await;
}

/// H: F18
#[tokio::test]
async fn a_token_anywhere_but_in_the_header_is_not_looked_at() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    shop.buy(&app, &learner).await;
    let token = app
        .clerk
        .mint(&learner.clerk_user_id, &TokenOptions::default());
    let token = token.unwrap();
    let cookie = format!("__session={token}; token={token}");
    let anon = app.anon();
    for query in ["token", "access_token", "__session"] {
        let path = format!("/v1/me?{query}={token}");
        let reply = anon.get_with(&path, "cookie", &cookie).await;
        reply.expect_problem(401, "unauthenticated");
    }
    let quote = format!("/v1/products/{}/quote", shop.product);
    let reply = anon.get_with(&quote, "cookie", &cookie).await;
    assert_eq!(reply.expect(200)["owned"], false);
    assert_eq!(learner.get(&quote).await.expect(200)["owned"], true);
    app.finish().await;
}

#[tokio::test]
async fn one_authorization_header_with_one_bearer_token_is_expected() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let token = token(&app, &TokenOptions::default());
    let anon = app.anon();
    let quote = format!("/v1/products/{}/quote", shop.product);
    for headers in [
        vec![format!("Bearer {token}"), format!("Bearer {token}")],
        vec![format!("Bearer {token}"), "Basic dTpw".to_owned()],
        vec![format!("Basic {token}")],
        vec![token.clone()],
        vec!["Bearer".to_owned()],
        vec!["Bearer ".to_owned()],
        vec![String::new()],
        vec![format!("Bearer {token} {token}")],
    ] {
        // Where a token is optional, one that cannot be used is refused all the same.
        for path in ["/v1/me", &quote] {
            let mut request = anon.request(Method::GET, path);
            for header in &headers {
                request = request.header("authorization", header);
            }
            let reply = anon.send(request).await;
            assert_eq!(reply.status, 401, "{headers:?}");
            reply.expect_problem(401, "unauthenticated");
        }
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("{scheme} {token}");
        let reply = anon.get_with("/v1/me", "authorization", &header).await;
        reply.expect(200);
    }
    app.finish().await;
}

/// H: F12, F13, F14
#[tokio::test]
async fn a_token_that_proves_nothing_is_refused() {
    let app = TestApp::start().await;
    let now = now();
    let claims = |claims| token(&app, &TokenOptions::claims(claims));
    let header = |header| token(&app, &TokenOptions::header(header));
    for (what, token) in [
        ("no algorithm", header(json!({ "alg": "none" }))),
        (
            "the public key as a secret",
            header(json!({ "alg": "HS256" })),
        ),
        ("no key id", header(json!({ "kid": null }))),
        ("an unknown key id", header(json!({ "kid": "ins_unknown" }))),
        (
            "another issuer",
            claims(json!({ "iss": "https://clerk.example.com" })),
        ),
        ("expired", claims(json!({ "exp": now - 11 }))),
        ("not yet valid", claims(json!({ "nbf": now + 30 }))),
        (
            "a foreign party",
            claims(json!({ "azp": "https://evil.example.com" })),
        ),
        ("no subject", claims(json!({ "sub": null }))),
        ("no token at all", "a.b.c".to_owned()),
        ("a long one", format!("a.{}.c", "b".repeat(9000))),
    ] {
        let reply = app.with_token(&token).get("/v1/me").await;
        assert_eq!(reply.status, 401, "{what}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        let problem = reply.expect_problem(401, "unauthenticated");
        assert!(!problem.to_string().contains(&token), "{what}");
    }
    assert_eq!(app.count("users"), 0);
    for claims in [
        json!({}),
        json!({ "azp": null }),
        json!({ "azp": "https://shop.example.com" }),
    ] {
        app.learner_with("one", claims)
            .get("/v1/me")
            .await
            .expect(200);
    }
    app.finish().await;

    let app = TestApp::start_with(&[("CLERK_REQUIRE_AZP", "true")]).await;
    for (party, status) in [(json!(null), 401), (json!("https://shop.example.com"), 200)] {
        let learner = app.learner_with("one", json!({ "azp": party }));
        assert_eq!(learner.get("/v1/me").await.status, status, "{party}");
    }
    app.finish().await;
}

/// H: F15
#[tokio::test]
async fn a_pending_session_is_known_but_may_do_nothing() {
    let app = TestApp::start().await;
    let pending = app.learner_with("one", json!({ "sts": "pending" }));
    for path in ["/v1/me", ADMIN, "/v1/me/purchases"] {
        let reply = pending.get(path).await;
        reply.expect_problem(403, "session-pending");
    }
    assert_eq!(app.count("users"), 0);
    app.finish().await;
}

/// H: F16
#[tokio::test]
async fn without_the_issuers_keys_nobody_is_known_and_with_them_its_outage_goes_unnoticed() {
    let app = TestApp::start().await;
    app.clerk.set_jwks(JwksMode::Fail);
    let learner = app.learner("one");
    let reply = learner.get("/v1/me").await;
    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
    reply.expect_problem(503, "identity-provider-unavailable");
    app.anon().get("/v1/products").await.expect(200);
    app.finish().await;

    let app = TestApp::start().await;
    let learner = app.learner("one");
    learner.get("/v1/me").await.expect(200);
    app.clerk.set_jwks(JwksMode::Fail);
    let forged = token(&app, &TokenOptions::header(json!({ "kid": "ins_unknown" })));
    let forger: Client = app.with_token(&forged);
    for reply in join_all((0..20).map(|_| forger.get("/v1/me"))).await {
        reply.expect_problem(401, "unauthenticated");
    }
    learner.get("/v1/me").await.expect(200);
    assert!(app.clerk.jwks_fetches() <= 2);
    app.finish().await;
}

/// H: B20
#[tokio::test]
async fn the_store_is_not_run_by_somebody_who_acts_as_its_owner() {
    let app = TestApp::start().await;
    app.admin().get("/v1/admin/courses").await.expect(200);
    let acted = app.learner_with("admin", json!({ "act": { "sub": "user_support" } }));
    acted.get("/v1/me").await.expect(200);
    acted
        .get("/v1/admin/courses")
        .await
        .expect_problem(403, "impersonation-forbidden");
    app.finish().await;
}
