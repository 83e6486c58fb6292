//! Removing for good what was deleted long ago.

use std::process::Command;

use crate::support::shop::{course, lesson, section};
use crate::support::{Shop, TestApp};

/// Runs `lectern purge` on the store's database and returns what it says.
fn purge(app: &TestApp, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lectern"))
        .arg("purge")
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", app.database_url())
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const AGE: &str =
    "UPDATE courses SET deleted_at = now() - interval '91 days' WHERE deleted_at IS NOT NULL;
    UPDATE course_sections SET deleted_at = now() - interval '91 days' WHERE deleted_at IS NOT NULL;
    UPDATE lessons SET deleted_at = now() - interval '91 days' WHERE deleted_at IS NOT NULL;
    UPDATE products SET deleted_at = now() - interval '91 days' WHERE deleted_at IS NOT NULL";

#[tokio::test]
async fn what_was_deleted_long_ago_goes_with_its_children_unless_a_sale_or_a_learner_holds_it() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let (sold, unsold) = (Shop::open(&app).await, Shop::open(&app).await);
    let learner = app.learner("one");
    sold.buy(&app, &learner).await;
    let lonely = course(&admin, "Lonely").await;
    let part = section(&admin, &lonely, "Part", "public").await;
    lesson(&admin, &part, "Child", "public").await;
    for shop in [&sold, &unsold] {
        admin
            .delete(&format!("/v1/admin/products/{}", shop.product))
            .await
            .expect(204);
        admin
            .delete(&format!("/v1/admin/lessons/{}", shop.draft))
            .await
            .expect(204);
        admin
            .delete(&format!("/v1/admin/courses/{}", shop.course))
            .await
            .expect(204);
    }
    admin
        .delete(&format!("/v1/admin/courses/{lonely}"))
        .await
        .expect(204);
    assert_eq!(
        purge(&app, &["--older-than", "90d"]),
        "removed 0 lessons, 0 sections, 0 products, 0 courses"
    );

    app.sql(AGE);
    let going = "2 lessons, 0 sections, 1 products, 2 courses";
    assert_eq!(
        purge(&app, &["--older-than", "90d", "--dry-run"]),
        format!("would remove {going}")
    );
    assert_eq!(app.count("courses"), 3);
    assert_eq!(
        purge(&app, &["--older-than", "90d"]),
        format!("removed {going}")
    );
    // The lonely course took its section and its lesson along.
    assert_eq!(app.count("course_sections"), 3);
    assert_eq!(
        app.count(&format!("lessons WHERE section_id = '{part}'")),
        0
    );

    admin
        .call(&format!("/v1/admin/courses/{}/restore", sold.course))
        .await
        .expect(200);
    let player = format!("/v1/courses/{}", sold.course);
    assert_eq!(learner.get(&player).await.expect(200)["lessonCount"], 3);
    assert_eq!(
        learner.get("/v1/me/purchases").await.expect(200)["data"][0]["productDetails"]["name"],
        "Web course"
    );
    app.finish().await;
}
