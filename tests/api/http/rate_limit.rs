//! Rate limits: who is counted where, what is told, and that neither providers nor a lost Redis are in the way.

use lectern::dev::clerk::TokenOptions;
use reqwest::Method;
use serde_json::json;

use crate::support::redis::Redis;
use crate::support::{Client, Reply, Shop, TestApp};

/// Asks until it is refused; returns how often it was let through, and the refusal.
async fn exhaust(client: &Client, path: &str, forwarded_for: Option<&str>) -> (usize, Reply) {
    for passed in 0..100 {
        let mut request = client.request(Method::GET, path);
        if let Some(address) = forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        let reply = client.send(request).await;
        if reply.status == 429 {
            return (passed, reply);
        }
    }
    panic!("{path} is never refused");
}

#[tokio::test]
async fn the_anonymous_are_counted_by_address_and_told_so() {
    let app = TestApp::start_with(&[("RATE_LIMIT_ANONYMOUS", "5")]).await;
    let anon = app.anon();
    let first = anon.get("/v1/products").await;
    assert_eq!(first.header("ratelimit-policy"), "\"anonymous\";q=5;w=60");
    assert_eq!(first.header("ratelimit"), "\"anonymous\";r=4;t=12");
    let (passed, refused) = exhaust(&anon, "/v1/products", None).await;
    assert_eq!(passed, 4);
    assert_eq!(refused.header("ratelimit-policy"), "\"anonymous\";q=5;w=60");
    assert_eq!(refused.header("ratelimit"), "\"anonymous\";r=0;t=60");
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(refused.header("cache-control"), "private, no-store");
    refused.expect_problem(429, "rate-limited");
    assert!(app.state.rate_limiter.refused() > 0);
    // A bad token is no way round, and whatever address is claimed.
    let liar = app.with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c2VyXzEifQ.");
    liar.get("/v1/products")
        .await
        .expect_problem(429, "rate-limited");
    let claimed = anon
        .get_with("/v1/products", "x-forwarded-for", "203.0.113.9")
        .await;
    claimed.expect_problem(429, "rate-limited");
    // Probes are let through, and tell no limit.
    let probe = anon.get("/readyz").await;
    assert!(!probe.headers.contains_key("ratelimit"));
    probe.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_trusted_proxy_tells_the_address_and_an_ipv6_customer_has_one() {
    let app = TestApp::start_with(&[
        ("RATE_LIMIT_ANONYMOUS", "3"),
        ("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8"),
    ])
    .await;
    let anon = app.anon();
    for (address, passes) in [
        ("203.0.113.1", 3),
        ("203.0.113.2", 3),
        // What the caller writes before what the proxies write is not believed.
        ("203.0.113.9, 203.0.113.1", 0),
        ("203.0.113.1, 10.1.2.3", 0),
        ("garbage, 203.0.113.2:4711", 0),
        ("2001:db8:0:1::1", 3),
        ("2001:db8:0:1:ffff::2", 0),
        ("[2001:db8:0:1::3]:443", 0),
        ("2001:db8:0:2::1", 3),
        ("::ffff:203.0.113.1", 0),
    ] {
        let (passed, _) = exhaust(&anon, "/problems", Some(address)).await;
        assert_eq!(passed, passes, "{address}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_signed_in_are_counted_by_person_without_asking_the_database() {
    let app =
        TestApp::start_with(&[("RATE_LIMIT_USER", "4"), ("RATE_LIMIT_ANONYMOUS", "1000")]).await;
    let (one, two) = (app.learner("one"), app.learner("two"));
    let (passed, refused) = exhaust(&one, "/v1/me", None).await;
    assert_eq!(passed, 4);
    assert_eq!(refused.header("ratelimit-policy"), "\"user\";q=4;w=60");
    // Another token of the same person is no other person.
    let again = app
        .clerk
        .mint(&one.clerk_user_id, &TokenOptions::default())
        .unwrap();
    let before = app.state.db.statements();
    let refused = app.with_token(&again).get("/v1/me").await;
    refused.expect_problem(429, "rate-limited");
    assert_eq!(app.state.db.statements(), before);
    two.get("/v1/me").await.expect(200);
    app.anon().get("/v1/products").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn checkouts_are_counted_on_their_own_and_a_refusal_is_not_kept() {
    let app = TestApp::start_with(&[("RATE_LIMIT_CHECKOUT", "2")]).await;
    let shop = Shop::open(&app).await;
    let buyer = app.learner("one");
    let path = "/v1/checkout/sessions";
    let keyed = || {
        let request = buyer.request(Method::POST, path).json(&shop.order());
        buyer.send(request.header("idempotency-key", "k"))
    };
    for left in ["1", "0"] {
        let reply = buyer.post(path, shop.order()).await;
        let policies = reply.header("ratelimit-policy").to_owned();
        assert!(policies.starts_with("\"user\";q="), "{policies}");
        assert!(policies.ends_with(", \"checkout\";q=2;w=60"), "{policies}");
        assert!(
            reply
                .header("ratelimit")
                .contains(&format!("\"checkout\";r={left};"))
        );
        reply.expect(201);
    }
    keyed().await.expect_problem(429, "rate-limited");
    assert_eq!(app.count("idempotency_keys"), 0);
    // Everything else goes on.
    buyer.get("/v1/me").await.expect(200);
    app.finish().await;
}

/// H: A20
#[tokio::test]
async fn providers_are_never_refused_for_asking_often() {
    let app = TestApp::start_with(&[("RATE_LIMIT_ANONYMOUS", "1")]).await;
    let anon = app.anon();
    exhaust(&anon, "/v1/products", None).await;
    for _ in 0..20 {
        for provider in ["stripe", "clerk"] {
            let unsigned = anon
                .post(&format!("/v1/webhooks/{provider}"), json!({}))
                .await;
            assert!(!unsigned.headers.contains_key("ratelimit"));
            unsigned.expect_problem(400, "bad-signature");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn instances_share_their_limits_through_redis() {
    let redis = Redis::start();
    let limits = [("RATE_LIMIT_USER", "6"), ("REDIS_URL", &redis.url())];
    let (here, there) = (
        TestApp::start_with(&limits).await,
        TestApp::start_with(&limits).await,
    );
    let one = here.learner("one");
    let other = Client::new(&Client::connections(), &there.url, None, "");
    // The same person at both: the stand-ins for Clerk share their key, so only the issuer differs.
    let there_too = there.learner("one");
    assert_eq!(one.clerk_user_id, there_too.clerk_user_id);
    for left in [5, 3, 1] {
        let reply = one.get("/v1/me").await;
        assert!(
            reply.header("ratelimit").contains(&format!("r={left};")),
            "{}",
            reply.header("ratelimit")
        );
        let reply = there_too.get("/v1/me").await;
        assert!(
            reply
                .header("ratelimit")
                .contains(&format!("r={};", left - 1))
        );
    }
    let refused = one.get("/v1/me").await;
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    refused.expect_problem(429, "rate-limited");
    there_too
        .get("/v1/me")
        .await
        .expect_problem(429, "rate-limited");
    other.get("/v1/products").await.expect(200);
    here.finish().await;
    there.finish().await;
}

#[tokio::test]
async fn without_redis_an_instance_limits_for_itself_and_nobody_waits() {
    let mut redis = Redis::start();
    let app = TestApp::start_with(&[("RATE_LIMIT_USER", "5"), ("REDIS_URL", &redis.url())]).await;
    let (one, two) = (app.learner("one"), app.learner("two"));
    one.get("/v1/me").await.expect(200);
    assert!(!app.state.rate_limiter.is_degraded());
    redis.stop();
    let started = std::time::Instant::now();
    let (passed, _) = exhaust(&two, "/v1/me", None).await;
    assert_eq!(passed, 5);
    assert!(started.elapsed().as_secs() < 3);
    assert!(app.state.rate_limiter.is_degraded());
    redis.restart();
    // Somebody new each time, so that no own limit is in the way.
    for n in 0.. {
        app.learner(&format!("new-{n}"))
            .get("/problems")
            .await
            .expect(200);
        if !app.state.rate_limiter.is_degraded() {
            break;
        }
    }
    app.finish().await;
}
