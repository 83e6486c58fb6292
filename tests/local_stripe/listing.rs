//! Lists, their filters and pages, and what `expand[]` puts in place of ids.

use lectern::dev::stripe::Outcome;
use serde_json::{Value, json};

use crate::support::{Stand, id};

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(id).collect()
}

#[actix_web::test]
async fn events_are_listed_newest_first_by_type_and_time() {
    let stand = Stand::start();
    let (_, charge) = stand.paid().await;
    stand.stripe.open_dispute(&charge).unwrap();
    let all: Vec<_> = stand.stripe.events().iter().rev().map(id).collect();
    let listed = stand.object("/v1/events").await;
    assert_eq!(ids(&listed), all);
    assert_eq!(
        (&listed["object"], &listed["has_more"]),
        (&json!("list"), &json!(false))
    );

    let created = stand.stripe.events()[0]["created"].as_i64().unwrap();
    let later = chrono::Utc::now().timestamp() + 1;
    for (query, expected) in [
        ("type=checkout.session.completed".to_owned(), &all[2..3]),
        ("type=charge.dispute.*".to_owned(), &all[..2]),
        (
            "types[]=charge.succeeded&types[]=payment_intent.succeeded".to_owned(),
            &all[3..],
        ),
        (format!("created[gte]={created}"), &all),
        (format!("created[gte]={later}"), &[]),
        (format!("created[lt]={created}"), &[]),
        (
            format!("created[gt]={}&created[lte]={later}", created - 1),
            &all,
        ),
    ] {
        let listed = stand.object(&format!("/v1/events?{query}")).await;
        assert_eq!(ids(&listed), expected, "{query}");
    }
}

#[actix_web::test]
async fn pages_follow_each_other_in_both_directions() {
    let stand = Stand::start();
    let mut all = Vec::new();
    for _ in 0..5 {
        all.insert(0, stand.open().await);
    }
    let path = |query: &str| format!("/v1/checkout/sessions?limit=2{query}");
    let first = stand.object(&path("")).await;
    assert_eq!(
        (ids(&first), &first["has_more"]),
        (all[..2].to_vec(), &json!(true))
    );
    let second = stand
        .object(&path(&format!("&starting_after={}", all[1])))
        .await;
    assert_eq!(
        (ids(&second), &second["has_more"]),
        (all[2..4].to_vec(), &json!(true))
    );
    let last = stand
        .object(&path(&format!("&starting_after={}", all[3])))
        .await;
    assert_eq!(
        (ids(&last), &last["has_more"]),
        (all[4..].to_vec(), &json!(false))
    );
    let back = stand
        .object(&path(&format!("&ending_before={}", all[4])))
        .await;
    assert_eq!(
        (ids(&back), &back["has_more"]),
        (all[2..4].to_vec(), &json!(true))
    );

    for (query, param) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("starting_after=cs_test_none", "starting_after"),
        ("colour=red", "colour"),
    ] {
        let reply = stand.get(&format!("/v1/checkout/sessions?{query}")).await;
        assert_eq!(reply.refused(400)["param"], param);
    }
}

#[actix_web::test]
async fn sessions_are_found_by_their_payment_and_status() {
    let stand = Stand::start();
    let (paid, _) = stand.paid().await;
    let open = stand.open().await;
    let session = stand.stripe.object(&paid).unwrap();
    let intent = session["payment_intent"].as_str().unwrap();
    for (query, expected) in [
        (format!("payment_intent={intent}"), &paid),
        ("status=open".to_owned(), &open),
    ] {
        let listed = stand
            .object(&format!("/v1/checkout/sessions?{query}"))
            .await;
        assert_eq!(&ids(&listed), std::slice::from_ref(expected));
    }
    let charges = stand
        .object(&format!("/v1/charges?payment_intent={intent}"))
        .await;
    assert_eq!(ids(&charges), [stand.stripe.charge_of(&paid).unwrap()]);
}

#[actix_web::test]
async fn expanding_reaches_through_objects_and_lists() {
    let stand = Stand::start();
    let (paid, charge) = stand.paid().await;
    let query = "expand[]=payment_intent.latest_charge&expand[]=line_items";
    let session = stand
        .object(&format!("/v1/checkout/sessions/{paid}?{query}"))
        .await;
    assert_eq!(session["payment_intent"]["latest_charge"]["id"], charge);
    assert_eq!(
        session["line_items"]["data"][0]["description"],
        "Rust for Shopkeepers"
    );
    let list = stand
        .object("/v1/checkout/sessions?expand[]=data.payment_intent")
        .await;
    assert_eq!(
        list["data"][0]["payment_intent"]["object"],
        "payment_intent"
    );

    let open = stand.open().await;
    let path = format!("/v1/checkout/sessions/{open}?expand[]=payment_intent.latest_charge");
    assert_eq!(stand.object(&path).await["payment_intent"], json!(null));
    let reply = stand
        .get(&format!("/v1/checkout/sessions/{open}?expand[]=colour"))
        .await;
    assert_eq!(reply.refused(400)["param"], "expand");
}

#[actix_web::test]
async fn a_tries_charges_are_all_listed_for_the_intent() {
    let stand = Stand::start();
    let session = stand.open().await;
    stand.stripe.pay(&session, Outcome::Declined).unwrap();
    let paid = stand.stripe.pay(&session, Outcome::Paid).unwrap();
    let intent = paid["payment_intent"].as_str().unwrap();
    let charges = stand
        .object(&format!("/v1/charges?payment_intent={intent}"))
        .await;
    let statuses: Vec<_> = charges["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|charge| &charge["status"])
        .collect();
    assert_eq!(statuses, ["succeeded", "failed"]);
}

#[actix_web::test]
async fn a_coupon_is_found_even_when_its_id_looks_like_another_kinds() {
    let stand = Stand::start();
    let coupon = [("id", "re_launch"), ("percent_off", "10")];
    stand.post("/v1/coupons", &coupon).await.ok();
    let session = id(&stand
        .create(&[("discounts[0][coupon]", "re_launch")])
        .await
        .ok());
    let path = format!("/v1/checkout/sessions/{session}?expand[]=discounts.coupon");
    let session = stand.object(&path).await;
    assert_eq!(session["discounts"][0]["coupon"]["percent_off"], 10.0);
    assert_eq!(
        stand.stripe.object("re_launch").unwrap()["object"],
        "coupon"
    );
}
