//! What a request costs the database: statements, counted, whatever the number of rows.

use reqwest::Method;
use serde_json::json;

use crate::support::lists::each;
use crate::support::refunding::Sale;
use crate::support::shop::{course as course_of, id, lesson, product as make_product, section};
use crate::support::{Client, Shop, TestApp};

/// Statements that a request sends, once connections and keys are warm.
async fn statements(app: &TestApp, client: &Client, method: &str, path: &str) -> u64 {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let ask = || async {
        let reply = client.send(client.request(method.clone(), path)).await;
        assert!(reply.status.is_success(), "{}", reply.text);
    };
    // One connection answers one caller: after the first request, it knows the statement and its types.
    ask().await;
    let before = app.state.db.statements();
    ask().await;
    app.state.db.statements() - before
}

#[tokio::test]
async fn requests_send_few_statements_however_many_rows_there_are() {
    let app = TestApp::start_with(&[("DATABASE_POOL_SIZE", "1"), ("CACHE_MIB", "0")]).await;
    let shop = Shop::open(&app).await;
    let (anon, admin, learner) = (app.anon(), app.admin(), app.learner("one"));
    let sale = Sale::of(&app, &shop, "one").await;
    sale.refund(json!({ "amountInCents": 1 })).await;
    let refunds = sale.refunds();
    let (product, course) = (
        format!("/v1/products/{}", shop.product),
        format!("/v1/courses/{}", shop.course),
    );
    let completion = format!("/v1/me/lessons/{}/completion", shop.welcome);
    let watch = shop.lesson_path(&shop.first_steps);
    let user = id(&learner.get("/v1/me").await.expect(200));
    let purchases = json!(learner.walk("/v1/me/purchases").await);
    let [purchase] = &each(&purchases, "id")[..] else {
        panic!("one purchase")
    };
    let admins = |path: &str| format!("/v1/admin/{path}");
    let rows: [(&Client, &str, String, u64); 38] = [
        (&anon, "GET", "/v1/products".into(), 1),
        (&anon, "GET", "/v1/products?q=web&sort=name".into(), 1),
        (&anon, "GET", product.clone(), 2),
        (&anon, "GET", format!("{product}/quote"), 2),
        (&learner, "GET", format!("{product}/quote"), 5),
        (&learner, "GET", "/v1/me".into(), 1),
        (&learner, "GET", "/v1/me/courses".into(), 4),
        (&learner, "GET", course, 3),
        (&learner, "GET", watch, 3),
        (&anon, "GET", shop.lesson_path(&shop.welcome), 1),
        (&learner, "PUT", completion.clone(), 2),
        (&learner, "DELETE", completion, 2),
        (&learner, "GET", "/v1/me/purchases".into(), 2),
        (&learner, "GET", format!("/v1/me/purchases/{purchase}"), 2),
        (&admin, "GET", admins("courses"), 2),
        (&admin, "GET", admins("courses?deleted=only"), 2),
        (&admin, "GET", admins("courses?q=rust&sort=name"), 2),
        (
            &admin,
            "GET",
            admins(&format!("courses/{}", shop.course)),
            5,
        ),
        (
            &admin,
            "GET",
            admins(&format!("sections/{}", shop.basics)),
            5,
        ),
        (
            &admin,
            "GET",
            admins(&format!("lessons/{}", shop.welcome)),
            5,
        ),
        (&admin, "GET", admins("products"), 2),
        (&admin, "GET", admins("products?deleted=only"), 2),
        (&admin, "GET", admins("products?q=web&status=public"), 2),
        (
            &admin,
            "GET",
            admins(&format!("products/{}", shop.product)),
            3,
        ),
        (&admin, "GET", admins("pricing/tiers"), 3),
        (&admin, "GET", admins("purchases"), 2),
        (&admin, "GET", admins("purchases?status=refunded"), 2),
        (&admin, "GET", admins(&format!("purchases/{purchase}")), 2),
        (&admin, "GET", admins("stats"), 2),
        (&admin, "GET", admins("users"), 2),
        (&admin, "GET", admins("users?q=a&role=user"), 2),
        (&admin, "GET", admins(&format!("users/{user}")), 3),
        (&admin, "GET", admins(&format!("users/{user}/access")), 3),
        (&admin, "GET", admins("audit-log"), 2),
        (&admin, "GET", refunds, 2),
        (&admin, "GET", admins("refunds"), 2),
        (&admin, "GET", admins("disputes"), 2),
        (&admin, "GET", admins("webhook-events"), 2),
    ];
    let mut few = Vec::new();
    for (client, method, path, at_most) in &rows {
        let sent = statements(&app, client, method, path).await;
        assert!(
            (1..=*at_most).contains(&sent),
            "{method} {path} sends {sent} statements, not {at_most}"
        );
        few.push(sent);
    }
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        lesson(&admin, &shop.practice, name, "public").await;
        sale.refund(json!({ "amountInCents": 1 })).await;
        app.settle().await;
        let another = section(&admin, &shop.course, name, "public").await;
        lesson(&admin, &another, name, "public").await;
        let course = course_of(&admin, name).await;
        let free = make_product(&admin, name, 0, &[&course, &shop.course]).await;
        learner.claim(&free).await;
    }
    for ((client, method, path, _), sent) in rows.iter().zip(few) {
        assert_eq!(
            statements(&app, client, method, path).await,
            sent,
            "{method} {path} depends on the rows"
        );
    }
    app.finish().await;
}
