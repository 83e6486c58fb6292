//! What a write changes, as it is told to those who keep answers.

use std::collections::BTreeSet;
use std::time::Instant;

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use lectern::freshness::Tag;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::instance::until;
use crate::support::shop::{course, id, section};
use crate::support::{Shop, TestApp};

/// A connection that hears every change.
struct Ear(PgConnection);

impl Ear {
    fn new(app: &TestApp) -> Self {
        let mut conn = app.db();
        conn.batch_execute("LISTEN lectern_changed").unwrap();
        Self(conn)
    }

    /// What was named since the last time. Messages come in the order of the commits.
    fn heard(&mut self) -> BTreeSet<String> {
        self.0
            .batch_execute("NOTIFY lectern_changed, 'end'")
            .unwrap();
        let mut named = BTreeSet::new();
        loop {
            self.0.batch_execute("SELECT 1").unwrap();
            for message in self.0.notifications_iter() {
                let payload = message.unwrap().payload;
                if payload == "end" {
                    return named;
                }
                named.extend(payload.split(' ').map(str::to_owned));
            }
        }
    }
}

#[tokio::test]
async fn every_write_names_what_it_changes_and_nothing_else() {
    let app = TestApp::start().await;
    let shop = Shop::open_at(&app, 0).await;
    let (admin, learner) = (app.admin(), app.learner("one"));
    let me = id(&learner.get("/v1/me").await.expect(200));
    let mut ear = Ear::new(&app);
    let mut named = |tags: &[String]| {
        assert_eq!(ear.heard(), tags.iter().cloned().collect());
    };
    let in_course = format!("course:{}", shop.course);
    let in_product = [format!("product:{}", shop.product), "catalogue".to_owned()];
    let (user, progress) = (format!("user:{me}"), format!("progress:{me}"));

    learner.claim(&shop.product).await;
    named(std::slice::from_ref(&user));
    let completion = format!("/v1/me/lessons/{}/completion", shop.welcome);
    learner.put(&completion).await.expect(204);
    named(std::slice::from_ref(&progress));
    learner.put(&completion).await.expect(204);
    named(&[]);
    learner.delete(&completion).await.expect(204);
    named(&[progress]);

    for (path, change) in [
        (format!("courses/{}", shop.course), json!({ "name": "C" })),
        (format!("sections/{}", shop.basics), json!({ "name": "S" })),
        (format!("lessons/{}", shop.welcome), json!({ "name": "L" })),
    ] {
        admin.change(&format!("/v1/admin/{path}"), change).await;
        named(std::slice::from_ref(&in_course));
    }
    let order = format!("/v1/admin/courses/{}/sections/order", shop.course);
    let ids = json!({ "ids": [shop.practice, shop.secret, shop.basics] });
    let request = admin.request(reqwest::Method::PUT, &order).json(&ids);
    assert!(admin.send(request).await.status.is_success());
    named(std::slice::from_ref(&in_course));

    // A lesson that moves to another course is missing in one and new in the other.
    let other = course(&admin, "Another").await;
    let there = section(&admin, &other, "There", "public").await;
    let in_other = format!("course:{other}");
    named(std::slice::from_ref(&in_other));
    let lesson = format!("/v1/admin/lessons/{}", shop.exercise);
    let moved = json!({ "sectionId": there });
    admin.change(&lesson, moved).await;
    named(&[in_course.clone(), in_other.clone()]);
    admin.delete(&lesson).await.expect(204);
    named(&[in_other]);

    let path = format!("/v1/admin/products/{}", shop.product);
    for change in [
        json!({ "priceInCents": 100 }),
        json!({ "courseIds": [other] }),
    ] {
        admin.change(&path, change).await;
        named(&in_product);
    }
    admin.delete(&path).await.expect(204);
    named(&in_product);

    let person = format!("/v1/admin/users/{me}");
    admin.change(&person, json!({ "role": "admin" })).await;
    named(&[user]);
    app.finish().await;
}

#[tokio::test]
async fn what_is_too_much_to_name_is_everything() {
    let app = TestApp::start().await;
    let mut ear = Ear::new(&app);
    app.sql("INSERT INTO courses (name, description) SELECT 'c', 'd' FROM generate_series(1, 200)");
    assert_eq!(ear.heard(), BTreeSet::from(["*".to_owned()]));
    // A transaction keeps what it has named, however often it goes on.
    app.sql(
        "DO $$ BEGIN
            FOR n IN 1..500 LOOP
                INSERT INTO courses (name, description) VALUES ('c', 'd');
            END LOOP;
            ASSERT current_setting('lectern.changed') LIKE '* %';
            ASSERT length(current_setting('lectern.changed')) < 9000;
        END $$",
    );
    assert_eq!(ear.heard().len(), 500);
    app.finish().await;
}

#[tokio::test]
async fn a_change_is_known_here_at_once_and_elsewhere_once_it_is_heard() {
    let app = TestApp::start().await;
    let _listener = app.state.listen().unwrap();
    let elsewhere = lectern::app::AppState::new(app.state.config.clone()).unwrap();
    let _ears = elsewhere.listen().unwrap();
    let (here, there) = (&app.state, &elsewhere);
    for state in [here, there] {
        until("an instance hears", async || state.hearing.is_current()).await;
    }
    let admin = app.admin();
    let course = course(&admin, "A course").await;
    let tags = [Tag::Course(course.parse::<Uuid>().unwrap())];
    let path = format!("/v1/admin/courses/{course}");
    for name in ["A", "B", "C"] {
        let before = Instant::now();
        let changed: Value = admin.change(&path, json!({ "name": name })).await;
        assert_eq!(changed["name"], name);
        assert!(!here.freshness.holds(before, &tags));
        until("the other instance hears of it", async || {
            !there.freshness.holds(before, &tags)
        })
        .await;
        assert!(here.freshness.holds(Instant::now(), &tags));
        assert!(there.freshness.holds(Instant::now(), &tags));
    }
    app.finish().await;
}
