//! The state file: what a restart does not forget.

use lectern::dev::stripe::{Adopted, Delivery, LocalStripe, OpenError, Options, Outcome};

use crate::support::{Stand, form, id};

struct File(std::path::PathBuf);

impl File {
    fn new() -> Self {
        let name = format!("local-stripe-{}.json", uuid::Uuid::new_v4());
        Self(std::env::temp_dir().join(name))
    }

    fn start(&self) -> Stand {
        Stand::start_with(|options| options.state_file = Some(self.0.clone()))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let removed = std::fs::remove_file(&self.0);
        // A second panic would end the other tests as well.
        assert!(removed.is_ok() || std::thread::panicking());
    }
}

#[actix_web::test]
async fn objects_events_and_kept_answers_survive_a_restart() {
    let file = File::new();
    let before = file.start();
    let (paid, charge) = before.paid().await;
    let open = before
        .post_with_key("key-1", "/v1/checkout/sessions", &form(&[]))
        .await;
    let open = open.ok();
    before
        .post("/v1/coupons", &[("id", "spring"), ("percent_off", "5")])
        .await
        .ok();
    before
        .stripe
        .refund_from_dashboard(&charge, Some(1))
        .unwrap();
    before.stripe.open_inquiry(&charge).unwrap();
    let (events, pending) = (before.stripe.events(), before.stripe.pending_events());
    let paths = [
        format!("/v1/checkout/sessions/{paid}?expand[]=payment_intent&expand[]=line_items"),
        format!("/v1/charges/{charge}?expand[]=refunds"),
        "/v1/disputes".to_owned(),
        "/v1/coupons/spring".to_owned(),
    ];
    let mut objects = Vec::new();
    for path in &paths {
        objects.push(before.object(path).await);
    }
    drop(before);

    let after = file.start();
    for (path, object) in paths.iter().zip(objects) {
        assert_eq!(after.object(path).await, object);
    }
    assert_eq!(after.stripe.events(), events);
    assert_eq!(after.stripe.pending_events(), pending);
    let replayed = after
        .post_with_key("key-1", "/v1/checkout/sessions", &form(&[]))
        .await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(id(&replayed.ok()), id(&open));
}

#[actix_web::test]
async fn a_session_expires_by_itself_when_its_time_has_come() {
    let file = File::new();
    let before = file.start();
    let session = before.open().await;
    let expires_at = before.stripe.object(&session).unwrap()["expires_at"].clone();
    drop(before);
    // The clock is not at hand, but the file is: the session's time is put into the past.
    let books = std::fs::read_to_string(&file.0).unwrap();
    let (due, past) = (format!("\"expires_at\":{expires_at}"), "\"expires_at\":1");
    assert!(books.contains(&due));
    std::fs::write(&file.0, books.replace(&due, past)).unwrap();

    let after = file.start();
    assert!(after.stripe.pay(&session, Outcome::Paid).is_err());
    let path = format!("/v1/checkout/sessions/{session}");
    assert_eq!(after.object(&path).await["status"], "expired");
    assert_eq!(after.event_types(0), ["checkout.session.expired"]);
}

#[actix_web::test]
async fn a_broken_state_file_is_refused_with_its_name_and_a_remedy() {
    let file = File::new();
    std::fs::write(&file.0, "{").unwrap();
    let options = Options {
        secret_key: "sk_test_local".into(),
        webhook_secret: "whsec_local".into(),
        base_url: "http://127.0.0.1:1".to_owned(),
        webhook_url: None,
        delivery: Delivery::Held,
        state_file: Some(file.0.clone()),
    };
    let Err(error) = LocalStripe::new(options) else {
        panic!("a broken file was read");
    };
    assert!(matches!(error, OpenError::StateFile { .. }));
    let message = error.to_string();
    assert!(message.contains(file.0.to_str().unwrap()), "{message}");
    assert!(message.contains("remove the file"), "{message}");
}

#[actix_web::test]
async fn an_adopted_purchase_is_entered_once_without_events_and_can_be_refunded() {
    let stand = Stand::start();
    let purchase = Adopted {
        session_id: "cs_test_old".to_owned(),
        payment_intent_id: "pi_old".to_owned(),
        charge_id: "ch_old".to_owned(),
        product_name: "An old course".to_owned(),
        amount: 900,
        discount: 100,
        currency: "eur".to_owned(),
        created: 1_700_000_000,
    };
    stand.stripe.adopt_paid(&purchase);
    stand
        .stripe
        .refund_from_dashboard("ch_old", Some(400))
        .unwrap();
    stand.stripe.adopt_paid(&purchase);
    assert_eq!(stand.event_types(0), ["refund.created", "charge.refunded"]);
    let path = "/v1/checkout/sessions/cs_test_old?expand[]=payment_intent.latest_charge";
    let session = stand.object(path).await;
    assert_eq!(session["payment_status"], "paid");
    assert_eq!(session["amount_subtotal"], 1000);
    assert_eq!(
        session["payment_intent"]["latest_charge"]["amount_refunded"],
        400
    );
    assert_eq!(
        session["payment_intent"]["latest_charge"]["currency"],
        "eur"
    );
}
