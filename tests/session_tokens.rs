//! Session tokens against a local issuer over real HTTP: which are accepted, and what becomes of the keys.
#![cfg(feature = "dev")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation ends the test"
)]

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpServer};
use chrono::Utc;
use lectern::{
    auth::{
        keys::KeyTimings,
        token::{Claims, TokenError, Verifier, VerifierConfig},
    },
    dev::clerk::{JwksMode, LocalClerk, Options, TokenOptions, user_id},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Never within a test.
const NEVER: Duration = Duration::from_hours(24);
const PARTY: &str = "https://courses.example.com";

/// Starts an issuer on a port of its own; it ends with the test's runtime.
fn start_clerk() -> LocalClerk {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let clerk = LocalClerk::new(Options {
        base_url: format!("http://{}", listener.local_addr().unwrap()),
        webhook_secret: "whsec_bG9jYWwgdGVzdA==".parse().unwrap(),
        webhook_url: None,
        announce: false,
        key_file: None,
        people_file: None,
    })
    .unwrap();
    let served = clerk.clone();
    let app = move || {
        let served = served.clone();
        App::new().configure(move |cfg| served.configure(cfg))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap();
    actix_web::rt::spawn(server.run());
    clerk
}

fn config(clerk: &LocalClerk) -> VerifierConfig {
    VerifierConfig {
        issuer: clerk.issuer().to_owned(),
        jwks_url: clerk.jwks_url(),
        authorized_parties: Vec::new(),
        require_azp: false,
        key_timings: KeyTimings::default(),
    }
}

fn verifier(config: VerifierConfig) -> Arc<Verifier> {
    Arc::new(Verifier::new(config, reqwest::Client::new()))
}

fn with_timings(clerk: &LocalClerk, key_timings: KeyTimings) -> Arc<Verifier> {
    verifier(VerifierConfig {
        key_timings,
        ..config(clerk)
    })
}

/// A learner's token with some claims changed.
fn token(clerk: &LocalClerk, claims: Value) -> String {
    clerk
        .mint(&user_id("learner"), &TokenOptions::claims(claims))
        .unwrap()
}

fn token_with_header(clerk: &LocalClerk, header: Value) -> String {
    clerk
        .mint(&user_id("learner"), &TokenOptions::header(header))
        .unwrap()
}

#[track_caller]
fn assert_refused(result: Result<Claims, TokenError>, reason: &str) {
    match result {
        Err(TokenError::Invalid(given)) => assert_eq!(given, reason),
        other => panic!("expected a refusal for `{reason}`, got {other:?}"),
    }
}

/// H: F9
#[actix_web::test]
async fn a_genuine_token_tells_who_it_is_and_nothing_about_roles() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    let token = token(
        &clerk,
        json!({ "role": "admin", "metadata": { "role": "admin" }, "fea": 5 }),
    );
    let claims = verifier.verify(&token).await.unwrap();
    assert_eq!(claims.sub, user_id("learner"));
    assert_eq!(claims.iss, clerk.issuer());
    assert_eq!(claims.sts.as_deref(), Some("active"));
    assert!(
        claims
            .sid
            .as_deref()
            .is_some_and(|sid| sid.starts_with("sess_"))
    );
    assert!(claims.exp > claims.iat.unwrap() && claims.iat.unwrap() >= claims.nbf);
    assert!(!claims.impersonated());
    assert!(!format!("{claims:?}").contains("admin"));
}

#[actix_web::test]
async fn a_token_of_somebody_acting_as_the_user_says_so() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    let acted = token(&clerk, json!({ "act": { "sub": "user_2support" } }));
    assert!(verifier.verify(&acted).await.unwrap().impersonated());
}

/// H: F12
#[actix_web::test]
async fn an_unsigned_token_and_one_signed_with_the_public_key_as_a_secret_are_refused() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    let unsigned = token_with_header(&clerk, json!({ "alg": "none" }));
    assert_refused(
        verifier.verify(&unsigned).await,
        "header or claims are not of the expected shape",
    );
    for alg in ["HS256", "RS384", "RS512", "PS256", "ES256"] {
        let confused = token_with_header(&clerk, json!({ "alg": alg }));
        assert_refused(verifier.verify(&confused).await, "algorithm is not RS256");
    }
    assert_eq!(clerk.jwks_fetches(), 0, "no key was looked for");
}

/// H: F12
#[actix_web::test]
async fn a_token_without_a_key_id_or_with_an_unknown_one_is_refused() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    let nameless = token_with_header(&clerk, json!({ "kid": null }));
    assert_refused(verifier.verify(&nameless).await, "no key id");
    let unknown = token_with_header(&clerk, json!({ "kid": "ins_unknown" }));
    assert_refused(verifier.verify(&unknown).await, "unknown key id");
}

/// H: F12
#[actix_web::test]
async fn a_token_signed_by_another_key_or_changed_afterwards_is_refused() {
    let clerk = start_clerk();
    let other = start_clerk();
    let verifier = verifier(config(&clerk));
    let forged = other
        .mint(
            &user_id("learner"),
            &TokenOptions {
                claims: json!({ "iss": clerk.issuer() }),
                header: json!({ "kid": clerk.kid() }),
            },
        )
        .unwrap();
    assert_refused(verifier.verify(&forged).await, "bad signature");

    let mine = token(&clerk, json!({}));
    let theirs = clerk
        .mint(&user_id("admin"), &TokenOptions::default())
        .unwrap();
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (mine, theirs) = (parts(&mine), parts(&theirs));
    let spliced = format!("{}.{}.{}", mine[0], theirs[1], mine[2]);
    assert_refused(verifier.verify(&spliced).await, "bad signature");
    let stripped = format!("{}.{}.", mine[0], mine[1]);
    assert_refused(verifier.verify(&stripped).await, "bad signature");
}

/// H: F12
#[actix_web::test]
async fn tokens_of_other_kinds_from_the_same_key_are_refused() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    for category in [
        json!("cl_B7d4PD222AAA"),
        json!("cl_B7d4PD333AAA"),
        json!("anything"),
        json!(7),
    ] {
        let foreign = token_with_header(&clerk, json!({ "cat": category }));
        assert_refused(verifier.verify(&foreign).await, "not a session token");
    }
    let oauth = token_with_header(&clerk, json!({ "typ": "at+jwt" }));
    assert_refused(verifier.verify(&oauth).await, "type is not JWT");
    let critical = token_with_header(&clerk, json!({ "crit": ["exp"] }));
    assert_refused(
        verifier.verify(&critical).await,
        "critical header extension",
    );
    let machine = token(&clerk, json!({ "sub": "mch_2abc" }));
    assert_refused(verifier.verify(&machine).await, "subject is not a user");
    for header in [
        json!({ "cat": null }),
        json!({ "cat": "cl_I7d4PD111III" }),
        json!({ "typ": null }),
    ] {
        let tolerated = token_with_header(&clerk, header);
        verifier.verify(&tolerated).await.unwrap();
    }
}

/// H: F13
#[actix_web::test]
async fn a_token_of_another_issuer_is_refused_however_similar_its_name() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    for issuer in [
        format!("{}/", clerk.issuer()),
        clerk.issuer().to_uppercase(),
        "https://evil.test".to_owned(),
    ] {
        let foreign = token(&clerk, json!({ "iss": issuer }));
        assert_refused(verifier.verify(&foreign).await, "foreign issuer");
    }
    let several = token(
        &clerk,
        json!({ "iss": [clerk.issuer(), "https://evil.test"] }),
    );
    assert_refused(
        verifier.verify(&several).await,
        "header or claims are not of the expected shape",
    );
}

/// H: F13
#[actix_web::test]
async fn a_token_is_good_from_its_start_to_its_end_and_clocks_may_differ_by_a_few_seconds() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    let now = Utc::now().timestamp();
    for (claims, reason) in [
        (json!({ "exp": now - 10 }), "expired"),
        (json!({ "nbf": now + 20 }), "not yet valid"),
        (json!({ "iat": now + 20 }), "issued in the future"),
    ] {
        assert_refused(verifier.verify(&token(&clerk, claims)).await, reason);
    }
    let now = Utc::now().timestamp();
    for claims in [
        json!({ "exp": now - 1 }),
        json!({ "nbf": now + 4 }),
        json!({ "iat": now + 4 }),
    ] {
        verifier.verify(&token(&clerk, claims)).await.unwrap();
    }
}

/// H: F13
#[actix_web::test]
async fn a_token_that_leaves_out_a_claim_that_is_checked_is_refused() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    for claim in ["exp", "nbf", "iss", "sub"] {
        for value in [Value::Null, json!({}), json!(true)] {
            let lacking = token(&clerk, json!({ claim: value }));
            let result = verifier.verify(&lacking).await;
            assert!(
                matches!(result, Err(TokenError::Invalid(_))),
                "{claim}: {result:?}"
            );
        }
    }
}

/// H: F14
#[actix_web::test]
async fn a_foreign_authorised_party_is_refused_and_an_absent_one_only_in_strict_mode() {
    let clerk = start_clerk();
    let parties = VerifierConfig {
        authorized_parties: vec![PARTY.to_owned()],
        ..config(&clerk)
    };
    let lenient = verifier(parties.clone());
    let strict = verifier(VerifierConfig {
        require_azp: true,
        ..parties
    });
    let any = verifier(config(&clerk));

    let known = token(&clerk, json!({ "azp": PARTY }));
    let foreign = token(
        &clerk,
        json!({ "azp": "https://courses.example.com.evil.test" }),
    );
    let empty = token(&clerk, json!({ "azp": "" }));
    let absent = token(&clerk, json!({ "azp": null }));
    for verifier in [&lenient, &strict, &any] {
        assert_eq!(
            verifier.verify(&known).await.unwrap().azp.as_deref(),
            Some(PARTY)
        );
    }
    for verifier in [&lenient, &strict] {
        assert_refused(verifier.verify(&foreign).await, "foreign authorised party");
        assert_refused(verifier.verify(&empty).await, "foreign authorised party");
    }
    any.verify(&foreign).await.unwrap();
    any.verify(&absent).await.unwrap();
    lenient.verify(&absent).await.unwrap();
    assert_refused(strict.verify(&absent).await, "no authorised party");
}

/// H: F15
#[actix_web::test]
async fn a_pending_session_is_told_so_but_only_when_its_token_is_otherwise_good() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    let pending = token(&clerk, json!({ "sts": "pending" }));
    assert_eq!(
        verifier.verify(&pending).await.unwrap_err(),
        TokenError::SessionPending
    );
    let expired = token(&clerk, json!({ "sts": "pending", "exp": 1 }));
    assert_refused(verifier.verify(&expired).await, "expired");
    verifier
        .verify(&token(&clerk, json!({ "sts": null })))
        .await
        .unwrap();
}

/// H: F12
#[actix_web::test]
async fn no_text_makes_the_verifier_panic() {
    let clerk = start_clerk();
    let verifier = verifier(config(&clerk));
    let genuine = token(&clerk, json!({}));
    let wide = "é".repeat(3_000);
    let long = format!("{genuine}{}", "A".repeat(8 * 1024));
    let junk = [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "\u{0}.\u{0}.\u{0}",
        "e30.e30.e30",
        "bnVsbA.bnVsbA.bnVsbA",
        &wide,
    ];
    for text in junk {
        let result = verifier.verify(text).await;
        assert!(
            matches!(result, Err(TokenError::Invalid(_))),
            "{text}: {result:?}"
        );
    }
    assert_refused(verifier.verify(&long).await, "longer than 8 KiB");
    assert_refused(
        verifier.verify(&format!("{genuine}.{genuine}")).await,
        "not a signed token",
    );
    verifier.verify(&genuine).await.unwrap();
}

/// H: F16
#[actix_web::test]
async fn a_new_signing_key_is_fetched_when_its_first_token_arrives() {
    let clerk = start_clerk();
    let verifier = with_timings(
        &clerk,
        KeyTimings {
            refresh_interval: Duration::ZERO,
            ..KeyTimings::default()
        },
    );
    let before = token(&clerk, json!({}));
    verifier.verify(&before).await.unwrap();
    clerk.rotate_keys(true).unwrap();
    verifier.verify(&token(&clerk, json!({}))).await.unwrap();
    verifier.verify(&before).await.unwrap();
    assert_eq!(clerk.jwks_fetches(), 2);
}

/// H: F16
#[actix_web::test]
async fn a_withdrawn_key_is_forgotten_once_the_keys_are_old() {
    let clerk = start_clerk();
    let timings = KeyTimings {
        refresh_interval: Duration::ZERO,
        max_age: Duration::ZERO,
        ..KeyTimings::default()
    };
    let verifier = with_timings(&clerk, timings);
    let old = token(&clerk, json!({}));
    verifier.verify(&old).await.unwrap();
    clerk.rotate_keys(false).unwrap();
    // The refresh runs beside the requests, so a few of them may still pass.
    let forgotten = async {
        while verifier.verify(&old).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), forgotten)
        .await
        .unwrap();
    assert_refused(verifier.verify(&old).await, "unknown key id");
    verifier.verify(&token(&clerk, json!({}))).await.unwrap();
}

/// H: F16
#[actix_web::test]
async fn known_keys_outlive_every_failure_of_the_key_set() {
    let clerk = start_clerk();
    let timings = KeyTimings {
        refresh_interval: Duration::ZERO,
        ..KeyTimings::default()
    };
    let verifier = with_timings(&clerk, timings);
    let genuine = token(&clerk, json!({}));
    let unknown = token_with_header(&clerk, json!({ "kid": "ins_unknown" }));
    verifier.verify(&genuine).await.unwrap();
    // Usable but for its length: were it taken, the genuine token's key would be gone.
    let mut huge = clerk.jwks();
    huge["keys"][0]["kid"] = json!("ins_other");
    huge["padding"] = json!("x".repeat(300 * 1024));
    let huge = huge.to_string();
    let broken = [
        "",
        "<html>",
        "[]",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct"}]}"#,
        &huge,
    ];
    let modes = broken.map(|body| JwksMode::Body(body.to_owned()));
    for (asked, mode) in modes.into_iter().chain([JwksMode::Fail]).enumerate() {
        clerk.set_jwks(mode.clone());
        assert_refused(verifier.verify(&unknown).await, "unknown key id");
        assert_eq!(
            clerk.jwks_fetches(),
            asked + 2,
            "the unknown key made it ask: {mode:?}"
        );
        verifier.verify(&genuine).await.unwrap();
    }
}

/// H: F16
#[actix_web::test]
async fn without_any_keys_nobody_can_be_recognised_and_recovery_is_quick() {
    let clerk = start_clerk();
    clerk.set_jwks(JwksMode::Fail);
    let genuine = token(&clerk, json!({}));
    let eager = with_timings(
        &clerk,
        KeyTimings {
            cold_interval: Duration::ZERO,
            ..KeyTimings::default()
        },
    );
    assert_eq!(
        eager.verify(&genuine).await.unwrap_err(),
        TokenError::KeysUnavailable
    );
    clerk.set_jwks(JwksMode::Serve);
    eager.verify(&genuine).await.unwrap();
}

/// H: F16
#[actix_web::test]
async fn an_issuer_that_nobody_answers_for_makes_the_keys_unavailable() {
    let clerk = start_clerk();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let verifier = verifier(VerifierConfig {
        jwks_url: format!("http://{closed}/"),
        ..config(&clerk)
    });
    let result = verifier.verify(&token(&clerk, json!({}))).await;
    assert_eq!(result.unwrap_err(), TokenError::KeysUnavailable);
}

/// Verifies many tokens at once and returns the results.
async fn all_at_once(
    verifier: &Arc<Verifier>,
    tokens: Vec<String>,
) -> Vec<Result<Claims, TokenError>> {
    let mut tasks = JoinSet::new();
    for token in tokens {
        let verifier = Arc::clone(verifier);
        tasks.spawn(async move { verifier.verify(&token).await });
    }
    tasks.join_all().await
}

/// H: F16
#[actix_web::test]
async fn a_flood_of_made_up_key_ids_causes_one_fetch_in_an_interval() {
    let clerk = start_clerk();
    let made_up = |_| token_with_header(&clerk, json!({ "kid": uuid::Uuid::new_v4().to_string() }));
    let tokens: Vec<String> = (0..100).map(made_up).collect();
    let verifier = with_timings(
        &clerk,
        KeyTimings {
            refresh_interval: NEVER,
            ..KeyTimings::default()
        },
    );
    for _ in 0..2 {
        for result in all_at_once(&verifier, tokens.clone()).await {
            assert_refused(result, "unknown key id");
        }
    }
    assert_eq!(clerk.jwks_fetches(), 1);
    verifier.verify(&token(&clerk, json!({}))).await.unwrap();
}

/// H: F16
#[actix_web::test]
async fn many_first_requests_at_once_share_one_fetch() {
    let clerk = start_clerk();
    let genuine = token(&clerk, json!({}));
    let verifier = verifier(config(&clerk));
    for result in all_at_once(&verifier, vec![genuine; 50]).await {
        result.unwrap();
    }
    assert_eq!(clerk.jwks_fetches(), 1);
}

/// H: F16
#[actix_web::test]
async fn a_failing_key_set_is_not_stormed_while_no_keys_are_known() {
    let clerk = start_clerk();
    clerk.set_jwks(JwksMode::Fail);
    let genuine = token(&clerk, json!({}));
    let verifier = with_timings(
        &clerk,
        KeyTimings {
            cold_interval: NEVER,
            ..KeyTimings::default()
        },
    );
    for result in all_at_once(&verifier, vec![genuine; 50]).await {
        assert_eq!(result.unwrap_err(), TokenError::KeysUnavailable);
    }
    assert_eq!(clerk.jwks_fetches(), 1);
}

/// H: F16
#[actix_web::test]
async fn old_keys_are_used_while_the_issuer_is_down() {
    let clerk = start_clerk();
    let timings = KeyTimings {
        max_age: Duration::ZERO,
        refresh_interval: Duration::ZERO,
        ..KeyTimings::default()
    };
    let verifier = with_timings(&clerk, timings);
    let genuine = token(&clerk, json!({}));
    verifier.verify(&genuine).await.unwrap();
    clerk.set_jwks(JwksMode::Fail);
    let asked = clerk.jwks_fetches();
    let several_failures = async {
        while clerk.jwks_fetches() < asked + 3 {
            verifier.verify(&genuine).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), several_failures)
        .await
        .unwrap();
    verifier.verify(&genuine).await.unwrap();
}

/// H: F16
#[actix_web::test]
async fn a_caller_who_hangs_up_does_not_cut_the_fetch_short_for_the_next() {
    let clerk = start_clerk();
    let genuine = token(&clerk, json!({}));
    let verifier = with_timings(
        &clerk,
        KeyTimings {
            cold_interval: NEVER,
            ..KeyTimings::default()
        },
    );
    let mut first = Box::pin(verifier.verify(&genuine));
    let polled = std::future::poll_fn(|context| {
        std::task::Poll::Ready(first.as_mut().poll(context).is_pending())
    });
    assert!(polled.await, "it waits for the keys");
    drop(first);
    verifier.verify(&genuine).await.unwrap();
    assert_eq!(clerk.jwks_fetches(), 1);
}
