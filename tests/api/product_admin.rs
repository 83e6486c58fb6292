//! Products, the owner's side: what is sold, and which courses are in it.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::lists::{NOBODY, names};
use crate::support::shop::{self, course, product};
use crate::support::{Shop, TestApp};

#[tokio::test]
async fn a_product_is_made_changed_deleted_and_stays_readable_for_the_owner() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let (rust, sql) = (course(&admin, "Rust").await, course(&admin, "SQL").await);
    let body = json!({
        "name": "Both", "description": "Two in one.", "imageUrl": "/images/both.png",
        "priceInCents": 100, "courseIds": [sql, rust],
    });
    let reply = admin.post("/v1/admin/products", body).await;
    let path = reply.header("location").to_owned();
    let made = reply.expect(201);
    assert_eq!(path, format!("/v1/admin/products/{}", shop::id(&made)));
    assert_eq!(admin.get(&path).await.expect(200), made);
    assert_eq!(made["status"], "private", "hidden unless said otherwise");
    assert_eq!(made["courseIds"], json!([rust, sql]), "by name");
    assert_eq!(made["courseCount"], 2);
    assert_eq!(made["customerCount"], 0);
    assert_eq!(made["deletedAt"], json!(null));

    let change = json!({ "status": "public", "priceInCents": 0, "courseIds": [rust] });
    let changed = admin.change(&path, change).await;
    assert_eq!(changed["name"], "Both", "what is absent is kept");
    assert_eq!(changed["status"], "public");
    assert_eq!(changed["priceInCents"], 0);
    assert_eq!(changed["courseIds"], json!([rust]));
    assert_eq!(changed["createdAt"], made["createdAt"]);
    assert_eq!(admin.change(&path, json!({})).await, changed);

    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.expect_problem(404, "not-found");
    let again = admin.patch(&path, json!({ "name": "Again" })).await;
    again.expect_problem(404, "not-found");
    let empty = admin.patch(&path, json!({})).await;
    empty.expect_problem(404, "not-found");
    let deleted = admin.get(&path).await.expect(200);
    assert!(deleted["deletedAt"].is_string(), "{deleted}");
    assert!(admin.walk("/v1/admin/products").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn the_owners_list_has_every_live_product_newest_first() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let course = course(&admin, "Course").await;
    for name in ["first", "second", "third"] {
        product(&admin, name, 100, &[&course]).await;
    }
    let hidden = product(&admin, "hidden", 100, &[&course]).await;
    let path = format!("/v1/admin/products/{hidden}");
    let hidden = admin.change(&path, json!({ "status": "private" })).await;
    let walked = admin.walk("/v1/admin/products?limit=1").await;
    assert_eq!(
        names(&json!(walked)),
        ["hidden", "third", "second", "first"]
    );
    assert_eq!(walked[0], hidden, "a row is the same object as the detail");
    app.finish().await;
}

#[tokio::test]
async fn each_course_of_a_product_is_there_once_and_the_wrong_one_is_pointed_at() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let (rust, gone) = (course(&admin, "Rust").await, course(&admin, "Gone").await);
    let path = format!("/v1/admin/courses/{gone}");
    admin.delete(&path).await.expect(204);
    let body = |ids: &[&str]| {
        json!({
            "name": "P", "description": "D", "imageUrl": "/p.png", "priceInCents": 1, "courseIds": ids,
        })
    };
    let made = admin
        .post("/v1/admin/products", body(&[&rust]))
        .await
        .expect(201);
    let path = format!("/v1/admin/products/{}", shop::id(&made));
    for (second, code) in [
        (NOBODY, "unknown-course"),
        (&gone, "unknown-course"),
        (&rust, "repeated"),
    ] {
        let change = json!({ "name": "Changed", "courseIds": [rust, second] });
        for reply in [
            admin
                .post("/v1/admin/products", body(&[&rust, second]))
                .await,
            admin.patch(&path, change).await,
        ] {
            let problem = reply.expect_problem(422, "invalid");
            assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
            assert_eq!(problem["errors"][0]["pointer"], "/courseIds/1");
            assert_eq!(problem["errors"][0]["code"], code);
        }
    }
    let many = vec![rust.as_str(); 101];
    for ids in [&[][..], &many] {
        let reply = admin.post("/v1/admin/products", body(ids)).await;
        reply.expect_invalid("/courseIds");
        let reply = admin.patch(&path, json!({ "courseIds": ids })).await;
        reply.expect_invalid("/courseIds");
    }
    let both = admin
        .post("/v1/admin/products", body(&[NOBODY, &gone]))
        .await;
    let both = both.expect_problem(422, "invalid");
    assert_eq!(both["errors"][0]["pointer"], "/courseIds/0");
    assert_eq!(both["errors"][1]["pointer"], "/courseIds/1");
    assert_eq!(admin.get(&path).await.expect(200), made, "nothing changed");
    assert_eq!(app.count("products"), 1);
    app.finish().await;
}

/// H: G5
#[tokio::test]
async fn a_course_that_is_deleted_while_a_product_takes_it_is_never_sold_deleted() {
    let app = TestApp::start().await;
    let admin = app.admin();
    for _ in 0..10 {
        let course = course(&admin, "Contended").await;
        let body = json!({
            "name": "P", "description": "D", "imageUrl": "/p.png", "priceInCents": 1, "courseIds": [course],
        });
        let path = format!("/v1/admin/courses/{course}");
        let delete = async { admin.delete(&path).await.status.as_u16() };
        let create = async { admin.post("/v1/admin/products", body).await.status.as_u16() };
        let (deleted, created) = futures_util::future::join(delete, create).await;
        assert!(
            matches!((deleted, created), (204, 422) | (409, 201)),
            "delete answered {deleted}, create {created}"
        );
    }
    app.finish().await;
}

/// H: G6
#[tokio::test]
async fn a_product_with_sales_is_deleted_softly_and_its_buyers_keep_what_they_bought() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, buyer) = (app.admin(), app.learner("one"));
    let checkout = shop.buy(&app, &buyer).await;
    let purchase = format!(
        "/v1/me/purchases/{}",
        checkout["purchaseId"].as_str().unwrap()
    );
    let before = buyer.get(&purchase).await.expect(200);
    let path = format!("/v1/admin/products/{}", shop.product);
    assert_eq!(admin.get(&path).await.expect(200)["customerCount"], 1);
    admin.delete(&path).await.expect(204);
    let player = format!("/v1/courses/{}", shop.course);
    buyer.get(&player).await.expect(200);
    buyer
        .get(&shop.lesson_path(&shop.exercise))
        .await
        .expect(200);
    assert_eq!(buyer.get(&purchase).await.expect(200), before);
    assert_eq!(before["productDetails"]["name"], "Web course");
    assert_eq!(admin.get(&path).await.expect(200)["customerCount"], 1);
    let late = app.learner("two");
    let order = late.post("/v1/checkout/sessions", shop.order()).await;
    order.expect_problem(404, "not-found");
    app.finish().await;
}

/// H: G7
#[tokio::test]
async fn a_customer_counts_once_and_only_for_what_they_took() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let admin = app.admin();
    let other = product(&admin, "Other", 0, &[&shop.course]).await;
    let people: Vec<_> = (0..5).map(|n| app.learner(&format!("p{n}"))).collect();
    join_all(people.iter().map(|person| person.claim(&shop.product))).await;
    join_all(people[..2].iter().map(|person| person.claim(&other))).await;
    for (product, wanted) in [(&shop.product, 5), (&other, 2)] {
        let path = format!("/v1/admin/products/{product}");
        assert_eq!(admin.get(&path).await.expect(200)["customerCount"], wanted);
    }
    let path = format!("/v1/admin/courses/{}", shop.course);
    assert_eq!(admin.get(&path).await.expect(200)["studentCount"], 5);
    app.finish().await;
}
