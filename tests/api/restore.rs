//! Deleting is taking out of sight; restoring brings back what was there.

use serde_json::{Value, json};

use crate::support::{Shop, TestApp};

fn ids(list: &Value) -> Vec<&str> {
    list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_deleted_section_takes_its_lessons_out_of_sight_and_a_restore_brings_them_back_as_they_were()
 {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    shop.buy(&app, &learner).await;
    let player = format!("/v1/courses/{}", shop.course);
    let before = learner.get(&player).await.expect(200);
    admin
        .delete(&format!("/v1/admin/lessons/{}", shop.welcome))
        .await
        .expect(204);
    admin
        .delete(&format!("/v1/admin/sections/{}", shop.basics))
        .await
        .expect(204);
    assert_eq!(learner.get(&player).await.expect(200)["lessonCount"], 1);

    let trash = admin
        .get(&format!("/v1/admin/courses/{}?deleted=only", shop.course))
        .await
        .expect(200);
    assert_eq!(trash["sections"][0]["id"], shop.basics);
    assert_eq!(trash["sections"].as_array().unwrap().len(), 1);
    assert!(
        admin
            .get(&format!("/v1/admin/sections/{}", shop.basics))
            .await
            .expect(200)["deletedAt"]
            .is_string()
    );

    admin
        .call(&format!("/v1/admin/lessons/{}/restore", shop.welcome))
        .await
        .expect_problem(409, "parent-deleted");
    admin
        .call(&format!("/v1/admin/sections/{}/restore", shop.basics))
        .await
        .expect(200);
    let between = learner.get(&player).await.expect(200);
    assert_eq!(
        between["lessonCount"], 2,
        "the lesson that was deleted by itself stays deleted"
    );
    admin
        .call(&format!("/v1/admin/lessons/{}/restore", shop.welcome))
        .await
        .expect(200);
    assert_eq!(learner.get(&player).await.expect(200), before);
    app.finish().await;
}

#[tokio::test]
async fn deleted_courses_and_products_are_listed_only_when_asked_for_and_can_be_restored() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    let (course, product) = (
        format!("/v1/admin/courses/{}", shop.course),
        format!("/v1/admin/products/{}", shop.product),
    );
    admin.delete(&product).await.expect(204);
    admin.delete(&course).await.expect(204);
    for list in ["/v1/admin/courses", "/v1/admin/products"] {
        assert!(ids(&admin.get(list).await.expect(200)).is_empty());
        assert_eq!(
            ids(&admin.get(&format!("{list}?deleted=only")).await.expect(200)).len(),
            1
        );
        assert_eq!(
            ids(&admin
                .get(&format!("{list}?deleted=include"))
                .await
                .expect(200))
            .len(),
            1
        );
    }
    admin
        .call(&format!("/v1/admin/sections/{}/restore", shop.basics))
        .await
        .expect_problem(409, "parent-deleted");
    admin
        .call(&format!("{product}/restore"))
        .await
        .expect_problem(409, "parent-deleted");
    app.anon()
        .get(&format!("/v1/products/{}", shop.product))
        .await
        .expect_problem(404, "not-found");

    assert_eq!(
        admin.call(&format!("{course}/restore")).await.expect(200)["deletedAt"],
        json!(null)
    );
    assert_eq!(
        admin.call(&format!("{product}/restore")).await.expect(200)["deletedAt"],
        json!(null)
    );
    app.anon()
        .get(&format!("/v1/products/{}", shop.product))
        .await
        .expect(200);
    // Restoring what is not deleted changes nothing; restoring nothing finds nothing.
    admin.call(&format!("{course}/restore")).await.expect(200);
    let nobody = "/v1/admin/courses/00000000-0000-4000-8000-000000000000/restore";
    admin.call(nobody).await.expect_problem(404, "not-found");
    app.finish().await;
}
