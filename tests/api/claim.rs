//! Free products: purchase and access at once, without Stripe.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::buying::has_access;
use crate::support::shop::product;
use crate::support::{Shop, TestApp};

fn claim(product: &str) -> String {
    format!("/v1/products/{product}/claim")
}

/// H: B10
#[tokio::test]
async fn a_free_product_is_bought_and_opened_at_once_without_stripe() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let learner = app.learner("one");
    assert!(!has_access(&learner, &shop.course).await);
    let reply = learner.call(&claim(&shop.product)).await;
    let location = reply.header("location").to_owned();
    let purchase = reply.expect(201);
    assert_eq!(purchase["productId"], shop.product);
    assert_eq!(purchase["status"], "paid");
    assert_eq!(purchase["pricePaidInCents"], 0);
    assert_eq!(purchase["receiptUrl"], json!(null));
    assert_eq!(purchase["productDetails"]["name"], "Web course");
    let rows = json!([
        { "kind": "subtotal", "label": "Subtotal", "amountInCents": 0 },
        { "kind": "total", "label": "Total", "amountInCents": 0 },
    ]);
    assert_eq!(purchase["pricingRows"], rows);
    assert_eq!(learner.get(&location).await.expect(200), purchase);
    assert!(has_access(&learner, &shop.course).await);
    let quote = format!("/v1/products/{}/quote", shop.product);
    assert_eq!(learner.get(&quote).await.expect(200)["owned"], true);
    app.work().await;
    assert_eq!(app.stripe.requests(), []);
    app.finish().await;
}

/// H: B5, B7
#[tokio::test]
async fn many_claims_at_once_make_one_purchase() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let learner = app.learner("one");
    let path = claim(&shop.product);
    let replies = join_all((0..20).map(|_| learner.call(&path))).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| reply.status == 201);
    assert_eq!(made.len(), 1);
    for reply in refused {
        reply.expect_problem(409, "already-owned");
    }
    assert_eq!(app.count("purchases"), 1);
    assert_eq!(app.count("access_grants"), 1);
    app.learner("two").call(&path).await.expect(201);
    app.finish().await;
}

/// H: B10
#[tokio::test]
async fn what_costs_money_cannot_be_claimed() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 1).await;
    let learner = app.learner("one");
    let reply = learner.call(&claim(&shop.product)).await;
    reply.expect_problem(409, "product-not-free");
    assert_eq!(app.count("purchases"), 0);
    app.finish().await;
}

/// H: B19
#[tokio::test]
async fn what_is_not_on_sale_cannot_be_claimed() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let deleted = product(&admin, "Deleted", 0, &[&shop.course]).await;
    let path = format!("/v1/admin/products/{deleted}");
    admin.delete(&path).await.expect(204);
    let path = format!("/v1/admin/products/{}", shop.product);
    let private = json!({ "status": "private" });
    admin.patch(&path, private).await.expect(200);
    for id in [&shop.product, &deleted, &shop.course, "42"] {
        let reply = learner.call(&claim(id)).await;
        reply.expect_problem(404, "not-found");
    }
    let reply = app.anon().call(&claim(&shop.product)).await;
    reply.expect_problem(401, "unauthenticated");
    assert_eq!(app.count("purchases"), 0);
    app.finish().await;
}

/// H: C9
#[tokio::test]
async fn a_claim_that_breaks_in_the_middle_leaves_nothing() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let learner = app.learner("one");
    let path = claim(&shop.product);
    app.break_inserts("user_course_access");
    let reply = learner.call(&path).await;
    let problem = reply.expect_problem(500, "internal-error");
    assert!(!problem.to_string().contains("broken by a test"));
    assert_eq!(app.count("purchases") + app.count("access_grants"), 0);
    app.mend();
    learner.call(&path).await.expect(201);
    app.finish().await;
}
