//! Between "asked under a key" and "answered".

use futures_util::future::join;
use reqwest::Method;
use serde_json::json;

use super::recover;
use super::trap::{Fate, Step, Trap};
use crate::support::TestApp;
use crate::support::instance::Instance;

const STEPS: [Step; 4] = [
    Step::Write("idempotency_keys", "INSERT", "true"),
    Step::Write("courses", "INSERT", "true"),
    Step::Write("idempotency_keys", "UPDATE", "NEW.status IS NOT NULL"),
    Step::Commit("courses", "INSERT"),
];

#[tokio::test]
async fn a_process_killed_between_effect_and_answer_has_done_it_once_and_answers_it_again() {
    let app = TestApp::start().await;
    let admin = app.admin();
    admin.get("/v1/me").await.expect(200);
    let mut instance = Instance::start(&app).await;
    let mut kills = 0;
    for step in STEPS {
        for fate in [Fate::Undone, Fate::Done] {
            let name = format!("Course {kills}");
            let ask = |url: &str| {
                let client = admin.at(url);
                let request = client.request(Method::POST, "/v1/admin/courses");
                request
                    .header("idempotency-key", &name)
                    .json(&json!({ "name": name, "description": "D" }))
            };
            let trap = Trap::set(&app, step);
            let unanswered = ask(&instance.url).send();
            let dies = async {
                trap.sprung().await;
                instance.kill();
                trap.clear(fate).await;
            };
            let (answer, ()) = join(unanswered, dies).await;
            assert!(answer.is_err(), "{step:?}");
            kills += 1;
            instance = Instance::start(&app).await;
            recover(&app).await;
            let made = format!("courses WHERE name = '{name}'");
            // Nobody can stop a commit that is under way.
            let is_committed = matches!((step, fate), (Step::Commit(..), Fate::Done));
            assert_eq!(
                app.count(&made),
                i64::from(is_committed),
                "{step:?} {fate:?}"
            );
            let again = admin.send(ask(&instance.url)).await;
            let is_replayed = again.headers.contains_key("idempotency-replayed");
            assert_eq!(is_replayed, is_committed, "{step:?} {fate:?}");
            let location = again.header("location").to_owned();
            again.expect(201);
            assert_eq!(app.count(&made), 1, "{step:?} {fate:?}");
            assert_eq!(admin.get(&location).await.expect(200)["name"], *name);
        }
    }
    drop(instance);
    assert_eq!(app.count("courses"), kills);
    app.finish().await;
}
