//! Any race: those who bring the same news at once, held at one door until all of them are there.

use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use futures_util::future::{join, join5};
use lectern::dev::stripe::Outcome;

use crate::support::buying::{has_access, open, path};
use crate::support::instance::{Instance, until};
use crate::support::shop::{id, session_of};
use crate::support::{Shop, TestApp};

/// Locks rows until it is dropped: `held(&app, "users WHERE ...")`.
fn held(app: &TestApp, rows: &str) -> PgConnection {
    let mut holder = app.db();
    let lock = format!("BEGIN; SELECT FROM {rows} FOR NO KEY UPDATE");
    holder.batch_execute(&lock).unwrap();
    holder
}

/// H: A5, A8, A22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_status_requests_and_the_reconciler_at_once_fulfil_once_on_two_instances() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let admin = app.admin();
    app.settle().await;
    app.put_off_the_pass();
    // With a worker of its own.
    let elsewhere = Instance::start(&app).await;
    app.stripe
        .set_webhook_url(format!("{}/v1/webhooks/stripe", elsewhere.url));
    for round in 0..5 {
        let buyer = app.learner(&format!("buyer-{round}"));
        let checkout = open(&buyer, shop.order()).await;
        let session = session_of(&app, &checkout);
        app.stripe.pay(&session, Outcome::Paid).unwrap();
        let door = held(
            &app,
            &format!("users WHERE clerk_user_id = '{}'", buyer.clerk_user_id),
        );
        let status = path(&checkout);
        let there = buyer.at(&elsewhere.url);
        let all_are_there = async {
            app.waits_for_locks(4).await;
            drop(door);
        };
        let (delivered, here, there, repaired, ()) = join5(
            app.stripe.deliver_all(),
            buyer.get(&status),
            there.get(&status),
            admin.call("/v1/admin/reconcile"),
            all_are_there,
        )
        .await;
        assert!(delivered.iter().all(|attempt| attempt.is_success()));
        assert_eq!(here.expect(200)["status"], "fulfilled");
        assert_eq!(there.expect(200)["status"], "fulfilled");
        repaired.expect(200);
        until("the events are handled", async || {
            app.count("webhook_events WHERE status = 'received'") == 0
        })
        .await;
        assert_eq!(app.count("purchases"), round + 1);
        assert_eq!(app.count("access_grants"), round + 1);
        assert!(has_access(&buyer, &shop.course).await);
    }
    until("the jobs are done", async || {
        app.count("jobs WHERE status = 'pending'") == 0
    })
    .await;
    drop(elsewhere);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_course_may_be_deleted_while_one_of_its_students_buys_it() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let (admin, buyer) = (app.admin(), app.learner("one"));
    let checkout = open(&buyer, shop.order()).await;
    // A student already: whoever deletes the course counts anew what they hold.
    let user = id(&buyer.get("/v1/me").await.expect(200));
    shop.give(&admin, &buyer).await;
    let product = format!("/v1/admin/products/{}", shop.product);
    admin.delete(&product).await.expect(204);
    let session = session_of(&app, &checkout);
    app.stripe.pay(&session, Outcome::Paid).unwrap();

    let door = held(&app, &format!("user_totals WHERE user_id = '{user}'"));
    let (course, status) = (
        format!("/v1/admin/courses/{}", shop.course),
        path(&checkout),
    );
    let deleting = async {
        app.waits_for_locks(1).await;
        let both_are_there = async {
            app.waits_for_locks(2).await;
            drop(door);
        };
        join(admin.delete(&course), both_are_there).await.0
    };
    let (bought, deleted) = join(buyer.get(&status), deleting).await;
    assert_eq!(bought.expect(200)["status"], "fulfilled");
    deleted.expect(204);
    app.settle().await;
    app.finish().await;
}
