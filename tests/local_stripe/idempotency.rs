//! `Idempotency-Key`: one effect for each key.

use futures_util::future::join_all;

use crate::support::{Stand, form, id};

const SESSIONS: &str = "/v1/checkout/sessions";

#[actix_web::test]
async fn a_repetition_is_answered_with_the_first_answer_and_says_so() {
    let stand = Stand::start();
    let first = stand.post_with_key("key-1", SESSIONS, &form(&[])).await;
    assert_eq!(first.header("idempotent-replayed"), None);
    let mut reversed = form(&[]);
    reversed.reverse();
    let second = stand.post_with_key("key-1", SESSIONS, &reversed).await;
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    assert_eq!((first.status, &first.text), (second.status, &second.text));
    let other = stand
        .post_with_key("key-2", SESSIONS, &form(&[]))
        .await
        .ok();
    assert_ne!(id(&other), id(&first.ok()));
}

#[actix_web::test]
async fn a_key_cannot_be_used_for_something_else() {
    let stand = Stand::start();
    stand
        .post_with_key("key-1", SESSIONS, &form(&[]))
        .await
        .ok();
    let changed = form(&[("line_items[0][quantity]", "2")]);
    for (path, form) in [
        (SESSIONS, &changed[..]),
        ("/v1/refunds", &[("charge", "ch_1")]),
    ] {
        let reply = stand.post_with_key("key-1", path, form).await;
        assert_eq!(reply.refused(400)["type"], "idempotency_error");
    }
    let long = "k".repeat(256);
    let reply = stand.post_with_key(&long, SESSIONS, &form(&[])).await;
    assert_eq!(reply.refused(400)["type"], "idempotency_error");
    let sessions = stand.object(SESSIONS).await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn fifty_at_once_with_one_key_make_one_session() {
    let stand = Stand::start();
    let form = form(&[]);
    let replies = join_all((0..50).map(|_| stand.post_with_key("key-1", SESSIONS, &form))).await;
    let replayed = replies
        .iter()
        .filter(|reply| reply.header("idempotent-replayed").is_some());
    assert_eq!(replayed.count(), 49);
    let mut ids: Vec<_> = replies.into_iter().map(|reply| id(&reply.ok())).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let sessions = stand.object(SESSIONS).await;
    assert_eq!(sessions["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn a_refusal_is_kept_for_its_key_but_wrong_parameters_are_not() {
    let stand = Stand::start();
    let discounted = form(&[("discounts[0][coupon]", "spring")]);
    stand
        .post_with_key("key-1", SESSIONS, &discounted)
        .await
        .refused(400);
    stand
        .post("/v1/coupons", &[("id", "spring"), ("percent_off", "5")])
        .await
        .ok();
    let kept = stand.post_with_key("key-1", SESSIONS, &discounted).await;
    assert_eq!(kept.header("idempotent-replayed"), Some("true"));
    assert_eq!(kept.refused(400)["code"], "resource_missing");
    stand
        .post_with_key("key-2", SESSIONS, &discounted)
        .await
        .ok();

    let wrong = form(&[("mode", "")]);
    stand
        .post_with_key("key-3", SESSIONS, &wrong)
        .await
        .refused(400);
    stand
        .post_with_key("key-3", SESSIONS, &form(&[]))
        .await
        .ok();
}

#[actix_web::test]
async fn an_event_names_the_request_that_caused_it() {
    let stand = Stand::start();
    let session = stand.open().await;
    let path = format!("{SESSIONS}/{session}/expire");
    stand.post_with_key("key-1", &path, &[]).await.ok();
    let request = &stand.stripe.events()[0]["request"];
    assert_eq!(request["idempotency_key"], "key-1");
    assert!(request["id"].as_str().unwrap().starts_with("req_"));
    let (_, charge) = stand.paid().await;
    stand.stripe.refund_from_dashboard(&charge, None).unwrap();
    let last = stand.stripe.events().pop().unwrap();
    assert!(last["request"]["id"].is_null() && last["request"]["idempotency_key"].is_null());
}
