//! Sales and the store in numbers, as the owner sees them.

use serde_json::json;

use crate::support::shop::{buy, product};
use crate::support::{Shop, TestApp};

#[tokio::test]
async fn sales_are_found_by_buyer_product_status_and_time() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let second = product(&admin, "Second", 1000, &[&shop.course]).await;
    let (one, two) = (app.learner("one"), app.learner("two"));
    shop.buy(&app, &one).await;
    buy(&app, &one, &second).await;
    shop.buy(&app, &two).await;
    let buyer = one.get("/v1/me").await.expect(200)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (query, count) in [
        (String::new(), 3),
        (format!("userId={buyer}"), 2),
        (format!("productId={}", shop.product), 2),
        (format!("productId={}&userId={buyer}", shop.product), 1),
        ("status=paid".to_owned(), 3),
        ("status=refunded".to_owned(), 0),
        ("from=2020-01-01T00:00:00Z".to_owned(), 3),
        ("to=2020-01-01T00:00:00Z".to_owned(), 0),
    ] {
        let list = admin
            .get(&format!("/v1/admin/purchases?{query}"))
            .await
            .expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
    }
    let list = admin.get("/v1/admin/purchases?limit=1").await.expect(200);
    let sale = &list["data"][0];
    assert_eq!(sale["flags"], json!([]));
    assert_eq!(sale["cardCountry"], "US");
    let path = format!("/v1/admin/purchases/{}", sale["id"].as_str().unwrap());
    assert_eq!(&admin.get(&path).await.expect(200), sale);
    admin
        .get("/v1/admin/purchases/00000000-0000-4000-8000-000000000000")
        .await
        .expect_problem(404, "not-found");
    for far in ["-262143-01-01T00:00:00Z", "%2B262142-01-01T00:00:00Z"] {
        admin
            .get(&format!("/v1/admin/purchases?from={far}"))
            .await
            .expect_problem(422, "invalid");
    }
    let faulty = admin
        .get("/v1/admin/purchases?from=yesterday")
        .await
        .expect_problem(422, "invalid");
    assert_eq!(faulty["errors"][0]["parameter"], "from");
    app.finish().await;
}

/// H: G7
#[tokio::test]
async fn the_numbers_are_those_of_a_naive_recount() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let empty = admin.get("/v1/admin/stats").await.expect(200);
    assert_eq!(empty["averageNetSalePerCustomerInCents"], 0);
    assert_eq!(empty["purchaseCount"], 0);

    let (shop, other, free) = (
        Shop::open(&app).await,
        Shop::open_at(&app, 999).await,
        Shop::open_at(&app, 0).await,
    );
    let learners = [app.learner("one"), app.learner("two"), app.learner("three")];
    shop.buy(&app, &learners[0]).await;
    other.buy(&app, &learners[0]).await;
    shop.buy(&app, &learners[1]).await;
    learners[2]
        .call(&format!("/v1/products/{}/claim", free.product))
        .await
        .expect(201);
    admin
        .delete(&format!("/v1/admin/lessons/{}", other.draft))
        .await
        .expect(204);
    admin
        .delete(&format!("/v1/admin/sections/{}", free.basics))
        .await
        .expect(204);
    admin
        .delete(&format!("/v1/admin/products/{}", free.product))
        .await
        .expect(204);
    let stats = admin.get("/v1/admin/stats").await.expect(200);
    assert_eq!(
        stats,
        json!({
            "grossSalesInCents": 4900 + 999 + 4900,
            "refundedInCents": 0,
            "netSalesInCents": 10_799,
            "purchaseCount": 4,
            "refundCount": 0,
            "averageNetSalePerCustomerInCents": 10_799 / 3,
            "customerCount": 3,
            "studentCount": 3,
            "productCount": 2,
            "courseCount": 3,
            "sectionCount": 8,
            "lessonCount": 15 - 1 - 3,
        })
    );
    app.finish().await;
}
