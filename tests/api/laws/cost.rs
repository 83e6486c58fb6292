//! What a request costs the database: statements, counted, whatever the number of rows.

use reqwest::Method;
use serde_json::json;

use crate::support::refunding::Sale;
use crate::support::shop::lesson;
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
    let app = TestApp::start_with(&[("DATABASE_POOL_SIZE", "1")]).await;
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
    let rows: [(&Client, &str, &str, u64); 19] = [
        (&anon, "GET", "/v1/products", 1),
        (&anon, "GET", "/v1/products?q=web&sort=name", 1),
        (&anon, "GET", &product, 2),
        (&learner, "GET", "/v1/me/courses", 2),
        (&learner, "GET", &course, 3),
        (&learner, "GET", &watch, 2),
        (&anon, "GET", &shop.lesson_path(&shop.welcome), 1),
        (&learner, "PUT", &completion, 2),
        (&learner, "DELETE", &completion, 2),
        (&admin, "GET", "/v1/admin/courses", 2),
        (&admin, "GET", "/v1/admin/products", 2),
        (&learner, "GET", "/v1/me/purchases", 2),
        (&admin, "GET", "/v1/admin/purchases", 2),
        (&admin, "GET", &refunds, 2),
        (&admin, "GET", "/v1/admin/refunds", 2),
        (&admin, "GET", "/v1/admin/disputes", 2),
        (&admin, "GET", "/v1/admin/users", 2),
        (&admin, "GET", "/v1/admin/audit-log", 2),
        (&admin, "GET", "/v1/admin/webhook-events", 2),
    ];
    let mut few = Vec::new();
    for (client, method, path, at_most) in rows {
        let sent = statements(&app, client, method, path).await;
        assert!(
            (1..=at_most).contains(&sent),
            "{method} {path} sends {sent} statements, not {at_most}"
        );
        few.push(sent);
    }
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        lesson(&admin, &shop.practice, name, "public").await;
        sale.refund(json!({ "amountInCents": 1 })).await;
        app.settle().await;
    }
    for ((client, method, path, _), sent) in rows.into_iter().zip(few) {
        assert_eq!(
            statements(&app, client, method, path).await,
            sent,
            "{method} {path} depends on the rows"
        );
    }
    app.finish().await;
}
