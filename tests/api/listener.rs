//! What one instance commits, the others hear at once.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use futures_util::future::join;
use lectern::app::AppState;
use lectern::dev::stripe::{Fault, Outcome, Trouble};
use lectern::jobs::worker;
use lectern::listener::{Hearing, Listener, Notice};
use secrecy::SecretString;
use serde_json::json;

use crate::support::buying::{event, open, path};
use crate::support::instance::until;
use crate::support::shop::session_of;
use crate::support::{Shop, TestApp};

const LONG: Duration = Duration::from_secs(20);

/// A listener, and what it tells, as text.
fn listen(app: &TestApp, hearing: &Hearing) -> (Listener, Receiver<String>) {
    let (tell, told) = channel();
    let url = SecretString::from(app.database_url());
    let listener = Listener::start(
        url.clone(),
        url,
        hearing.clone(),
        &["lectern_inbox", "news"],
        move |notice| {
            let text = match notice {
                Notice::Heard { channel, payload } => format!("{channel} {payload}"),
                notice => format!("{notice:?}"),
            };
            // The test may be over.
            let _ = tell.send(text);
        },
    );
    (listener.unwrap(), told)
}

#[tokio::test]
async fn what_is_committed_is_heard_and_what_is_rolled_back_is_not() {
    let app = TestApp::start().await;
    let hearing = Hearing::default();
    assert!(!hearing.is_current());
    let (_listener, told) = listen(&app, &hearing);
    assert_eq!(told.recv_timeout(LONG).unwrap(), "Began");
    until("the listener hears", async || hearing.is_current()).await;
    app.sql("BEGIN; NOTIFY news, 'never'; ROLLBACK; NOTIFY news, 'one'; NOTIFY others, 'two'");
    assert_eq!(told.recv_timeout(LONG).unwrap(), "news one");
    app.stripe_event(&event("plan.created", &json!({})))
        .await
        .expect(200);
    assert_eq!(told.recv_timeout(LONG).unwrap(), "lectern_inbox ");
    app.finish().await;
}

#[tokio::test]
async fn a_listener_that_loses_its_connection_says_so_and_comes_back_by_itself() {
    let app = TestApp::start().await;
    let hearing = Hearing::default();
    let (listener, told) = listen(&app, &hearing);
    assert_eq!(told.recv_timeout(LONG).unwrap(), "Began");
    app.cut_database();
    assert_eq!(told.recv_timeout(LONG).unwrap(), "Lost");
    assert!(!hearing.is_current());
    app.restore_database();
    assert_eq!(told.recv_timeout(LONG).unwrap(), "Began");
    until("the listener hears", async || hearing.is_current()).await;
    app.sql("NOTIFY news, 'again'");
    assert_eq!(told.recv_timeout(LONG).unwrap(), "news again");
    drop(listener);
    assert_eq!(told.recv_timeout(LONG).unwrap(), "Lost");
    assert!(told.recv_timeout(LONG).is_err(), "its thread has ended");
    // The pool's connection died as well, and nobody notices.
    app.anon().get("/readyz").await.expect(200);
    app.finish().await;
}

/// Whether work comes sooner than anybody would look for it by themselves.
fn is_prompt(begun: Instant) -> bool {
    begun.elapsed() < Duration::from_millis(1500)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_elsewhere_is_woken_by_the_delivery() {
    let app = TestApp::start().await;
    app.put_off_the_pass();
    let elsewhere = AppState::new(app.state.config.clone()).unwrap();
    let _listener = elsewhere.listen().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let worker = tokio::spawn(worker::run(elsewhere, stopped));
    let mut prompt = 0;
    for _ in 0..5 {
        app.stripe_event(&event("plan.created", &json!({})))
            .await
            .expect(200);
        let begun = Instant::now();
        while app.count("webhook_events WHERE status = 'received'") > 0 {
            assert!(begun.elapsed() < LONG);
            tokio::task::yield_now().await;
        }
        prompt += u32::from(is_prompt(begun));
    }
    // By its own looks alone, every two seconds, it would not be so often so soon.
    assert_eq!(prompt, 5);
    stop.send_replace(true);
    worker.await.unwrap();
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_waits_here_is_answered_as_soon_as_another_instance_fulfils() {
    let app = TestApp::start().await;
    let shop = Shop::open(&app).await;
    let learner = app.learner("one");
    let checkout = open(&learner, shop.order()).await;
    let _listener = app.state.listen().unwrap();
    let elsewhere = AppState::new(app.state.config.clone()).unwrap();
    // Stripe tells nothing when it is asked, so that the other instance alone can end the wait.
    let retrieve = "GET /v1/checkout/sessions/*";
    let silence = Fault::before_effect(retrieve, Trouble::Status(404));
    app.stripe.inject(silence.times(100));
    let path = path(&checkout);
    let waiting = async {
        let reply = learner.get_with(&path, "prefer", "wait=30").await;
        (reply, Instant::now())
    };
    let paying = async {
        let deadline = Instant::now() + LONG;
        // It has just asked Stripe: by itself it looks again in two seconds.
        while app.stripe.count(retrieve) == 0 || !app.state.hearing.is_current() {
            assert!(Instant::now() < deadline, "the request does not wait");
            tokio::task::yield_now().await;
        }
        app.stripe
            .pay(&session_of(&app, &checkout), Outcome::Paid)
            .unwrap();
        app.stripe.deliver_all().await;
        assert!(worker::handle_due_events(&elsewhere).await.unwrap() > 0);
        Instant::now()
    };
    let ((reply, answered), worked) = join(waiting, paying).await;
    assert_eq!(reply.expect(200)["status"], "fulfilled");
    assert!(answered.saturating_duration_since(worked) < Duration::from_secs(1));
    app.finish().await;
}
