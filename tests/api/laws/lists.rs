//! Every list of the document: its pages, its order, its total.

use reqwest::Method;

use super::{document, operations};
use crate::support::lists::{next_page, rows_of};
use crate::support::refunding::Sale;
use crate::support::shop::{course, product};
use crate::support::{Shop, TestApp};

#[tokio::test]
async fn every_list_tells_how_many_rows_it_has_only_when_asked() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let sale = Sale::of(&app, &shop, "buyer").await;
    for amount in [100, 200] {
        sale.refund(serde_json::json!({ "amountInCents": amount }))
            .await;
    }
    app.settle().await;
    let other = course(&sale.admin, "Other").await;
    let free = product(&sale.admin, "Free", 0, &[&other]).await;
    sale.learner.claim(&free).await;
    let mut lists = 0;
    for (path, method, operation) in operations(&document(&app).await) {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        if !parameters.any(|parameter| parameter["name"] == "cursor") {
            continue;
        }
        assert_eq!(method, "GET");
        lists += 1;
        let client = if path.starts_with("/v1/admin/") {
            &sale.admin
        } else {
            &sale.learner
        };
        let path = path.replace("{id}", &sale.id);
        let rows = client.walk(&path).await.len();
        let plain = client.get(&format!("{path}?limit=1")).await.expect(200);
        assert!(plain.get("total").is_none(), "{path}: {plain}");
        // On every page it is the number of all rows.
        let mut next = Some(format!("{path}?limit=1&include=total"));
        let mut seen = 0;
        while let Some(address) = next {
            let page = client.get(&address).await;
            assert_eq!(page.body["total"], rows, "{address}");
            next = next_page(&page);
            seen += rows_of(page).len();
        }
        assert_eq!(seen, rows, "{path}");
        for wrong in [
            "include=",
            "include=Total",
            "include=total,total",
            "include=total&include=total",
        ] {
            let reply = client.get(&format!("{path}?{wrong}")).await;
            let problem = reply.expect_problem(422, "invalid");
            assert_eq!(
                problem["errors"][0]["parameter"], "include",
                "{path}?{wrong}"
            );
        }
        let head = client.request(Method::HEAD, &format!("{path}?include=total"));
        assert_eq!(client.send(head).await.status, 200, "{path}");
    }
    assert_eq!(lists, 12);
    app.finish().await;
}

#[tokio::test]
async fn a_total_counts_what_the_filters_leave() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    for (name, price) in [("Postgres", 300), ("Rust", 100)] {
        product(&admin, name, price, &[&shop.course]).await;
    }
    let deleted = product(&admin, "Piano", 200, &[&shop.course]).await;
    admin
        .delete(&format!("/v1/admin/products/{deleted}"))
        .await
        .expect(204);
    for (path, total) in [
        ("/v1/products?", 3),
        ("/v1/products?q=rust&", 1),
        ("/v1/products?q=nothing&", 0),
        ("/v1/admin/products?deleted=include&", 4),
        ("/v1/admin/products?deleted=only&", 1),
        ("/v1/admin/products?status=private&", 0),
        ("/v1/admin/courses?q=rust&", 1),
        ("/v1/admin/audit-log?entity=product&", 5),
        ("/v1/admin/users?role=admin&", 1),
        ("/v1/admin/users?role=user&", 0),
    ] {
        let page = admin.get(&format!("{path}limit=1&include=total")).await;
        assert_eq!(page.expect(200)["total"], total, "{path}");
    }
    app.finish().await;
}
