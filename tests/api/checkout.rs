//! Buying: from the order to the access.

use lectern::dev::stripe::Outcome;
use serde_json::json;

use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

#[tokio::test]
async fn a_paid_checkout_gives_the_purchase_and_the_access() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = learner
        .post("/v1/checkout/sessions", shop.order())
        .await
        .expect(201);
    assert_eq!(checkout["status"], "open");
    assert_eq!(checkout["totalInCents"], 4900);
    assert!(checkout["url"].is_string());
    app.stripe
        .pay(&session_of(&app, &checkout), Outcome::Paid)
        .unwrap();
    app.settle().await;
    let path = format!("/v1/checkout/sessions/{}", checkout["id"].as_str().unwrap());
    let done = learner.get(&path).await.expect(200);
    assert_eq!(done["status"], "fulfilled");
    assert_eq!(done["url"], json!(null));
    let player = learner
        .get(&format!("/v1/courses/{}", shop.course))
        .await
        .expect(200);
    assert_eq!(player["lessonCount"], 3);
    app.finish().await;
}
