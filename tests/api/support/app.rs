//! A store of its own: the application on a free port, its database, and stand-ins for Clerk and Stripe.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use lectern::app::AppState;
use lectern::config::Config;
use lectern::dev::clerk::{self, LocalClerk, TokenOptions};
use lectern::dev::stripe::{self, Attempt, Delivery, LocalStripe, Recorded};
use lectern::domain::enums::UserRole;
use lectern::jobs::worker;
use lectern::repositories::user;
use lectern::server::{self, Terms};
use serde_json::Value;
use utoipa_actix_web::service_config::ServiceConfig;

use super::client::Client;
use super::cluster::Database;
use super::log;

pub const STRIPE_SECRET_KEY: &str = "sk_test_harness";
pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_harness";
pub const CLERK_WEBHOOK_SECRET: &str = "whsec_dGhlIGhhcm5lc3MncyBDbGVyayBzZWNyZXQ=";
/// Where buyers are sent back to.
pub const RETURN_URL: &str = "https://shop.example.com/return";

/// The signing key that the local Clerks of all tests share: making one takes longer than most tests.
fn signing_key() -> PathBuf {
    static KEY: OnceLock<PathBuf> = OnceLock::new();
    let path = KEY.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clerk-key.der");
        local_clerk("", "", Some(path.clone()));
        path
    });
    path.clone()
}

fn local_clerk(issuer: &str, webhook_url: &str, key_file: Option<PathBuf>) -> LocalClerk {
    LocalClerk::new(clerk::Options {
        base_url: issuer.to_owned(),
        webhook_secret: CLERK_WEBHOOK_SECRET.parse().unwrap(),
        webhook_url: Some(webhook_url.to_owned()),
        announce: false,
        key_file,
        people_file: None,
    })
    .unwrap()
}

/// Serves the API.
fn serve(state: &AppState, listener: TcpListener) -> ServerHandle {
    let state = state.clone();
    let extra = Arc::new(|_: &mut ServiceConfig| {}) as lectern::app::Extra;
    let terms = Terms {
        workers: Some(1),
        // Longer than any client keeps an idle connection: none is used while the server ends it.
        keep_alive: Duration::from_secs(120),
        request_head: Duration::from_secs(60),
    };
    let server = server::serve(listener, state, extra, terms).unwrap();
    let handle = server.handle();
    tokio::spawn(server);
    handle
}

/// What has to be true of money and access after each test: rows that break a rule, and the rule.
const MONEY_RULES: [(&str, &str); 4] = [
    (
        "purchases WHERE refunded_in_cents > price_paid_in_cents",
        "more refunded than paid",
    ),
    (
        "purchases p WHERE refunded_in_cents <> (SELECT coalesce(sum(amount_in_cents), 0) FROM refunds
         WHERE purchase_id = p.id AND status IN ('pending', 'succeeded'))",
        "a purchase and its refunds differ",
    ),
    (
        "access_grants g JOIN purchases p ON p.id = g.purchase_id WHERE g.ended_at IS NULL
         AND (p.refunded_at IS NOT NULL OR p.disputed_at IS NOT NULL OR EXISTS (SELECT FROM refunds
         WHERE purchase_id = p.id AND revoke_access AND status IN ('pending', 'succeeded')))",
        "a purchase gives access that it has lost",
    ),
    (
        "access_grants g JOIN purchases p ON p.id = g.purchase_id JOIN users u ON u.id = p.user_id
         WHERE g.ended_because IN ('refund', 'dispute') AND u.deleted_at IS NULL
         AND p.refunded_at IS NULL AND p.disputed_at IS NULL AND NOT EXISTS (SELECT FROM refunds
         WHERE purchase_id = p.id AND revoke_access AND status IN ('pending', 'succeeded'))",
        "a purchase does not give the access that it has back",
    ),
];

/// What is derived by triggers, and what it has to be at the end of every test.
const DERIVED: [(&str, &str, &str); 3] = [
    (
        "user_course_access is not the live grants",
        "SELECT user_id, course_id FROM user_course_access",
        "SELECT user_id, course_id FROM access_grants WHERE ended_at IS NULL",
    ),
    (
        "user_totals is not what was bought and is held",
        "SELECT user_id, purchase_count::bigint, paid_in_cents, refunded_in_cents, course_count::bigint FROM user_totals
            WHERE purchase_count > 0 OR course_count > 0",
        "SELECT u.id, bought.*, held.* FROM users u, LATERAL (
                SELECT count(*), coalesce(sum(price_paid_in_cents), 0), coalesce(sum(refunded_in_cents), 0)
                FROM purchases WHERE user_id = u.id
            ) AS bought (purchases, paid, refunded), LATERAL (
                SELECT count(*) FROM user_course_access a JOIN courses c ON c.id = a.course_id
                WHERE a.user_id = u.id AND u.deleted_at IS NULL AND c.deleted_at IS NULL
            ) AS held (courses) WHERE purchases > 0 OR courses > 0",
    ),
    (
        "course_totals is not what is in the courses",
        "SELECT course_id, section_count::bigint, lesson_count::bigint FROM course_totals WHERE section_count > 0",
        "SELECT s.course_id, count(DISTINCT s.id), count(l.id) FROM course_sections s
            LEFT JOIN lessons l ON l.section_id = s.id AND l.deleted_at IS NULL
            WHERE s.deleted_at IS NULL GROUP BY s.course_id",
    ),
];

/// A running store. Work behind the answers (events, jobs) is done when a test says so, never by itself.
pub struct TestApp {
    pub url: String,
    pub state: AppState,
    pub clerk: LocalClerk,
    pub stripe: LocalStripe,
    /// What it is configured with, for another instance.
    pub variables: HashMap<&'static str, String>,
    http: reqwest::Client,
    database: Database,
    servers: Vec<ServerHandle>,
    finished: bool,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A store with some variables set differently.
    pub async fn start_with(variables: &[(&'static str, &str)]) -> Self {
        Self::start_on(Database::create(), variables).await
    }

    /// A store whose database server is nobody else's, and may crash.
    pub async fn start_alone() -> Self {
        Self::start_on(Database::create_alone(), &[]).await
    }

    /// A store on a database that the test has prepared.
    pub async fn start_on(database: Database, variables: &[(&'static str, &str)]) -> Self {
        log::watch();
        let api = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", api.local_addr().unwrap());
        let local = TcpListener::bind("127.0.0.1:0").unwrap();
        let local_url = format!("http://{}", local.local_addr().unwrap());

        let webhook_url = format!("{url}/v1/webhooks/clerk");
        let clerk = local_clerk(
            &format!("{local_url}/clerk"),
            &webhook_url,
            Some(signing_key()),
        );
        let stripe = LocalStripe::new(stripe::Options {
            secret_key: STRIPE_SECRET_KEY.into(),
            webhook_secret: STRIPE_WEBHOOK_SECRET.into(),
            base_url: format!("{local_url}/stripe"),
            webhook_url: Some(format!("{url}/v1/webhooks/stripe")),
            delivery: Delivery::Held,
            state_file: None,
        })
        .unwrap();
        let mut config: HashMap<&'static str, String> = HashMap::from([
            ("DATABASE_URL", database.url()),
            ("DATABASE_POOL_SIZE", "6".to_owned()),
            ("PUBLIC_URL", url.clone()),
            ("CLERK_ISSUER", clerk.issuer().to_owned()),
            (
                "CLERK_AUTHORIZED_PARTIES",
                "http://localhost:3000,https://shop.example.com".to_owned(),
            ),
            ("CLERK_WEBHOOK_SECRETS", CLERK_WEBHOOK_SECRET.to_owned()),
            ("CLERK_SECRET_KEY", "sk_test_harness".to_owned()),
            ("CLERK_API_URL", clerk.issuer().to_owned()),
            ("STRIPE_SECRET_KEY", STRIPE_SECRET_KEY.to_owned()),
            ("STRIPE_API_URL", format!("{local_url}/stripe")),
            ("STRIPE_WEBHOOK_SECRETS", STRIPE_WEBHOOK_SECRET.to_owned()),
            ("CORS_ORIGINS", "https://shop.example.com".to_owned()),
            ("RETURN_ORIGINS", "https://shop.example.com".to_owned()),
            // Tests ask as often as they like, unless they are about that.
            ("RATE_LIMIT_ANONYMOUS", "100000".to_owned()),
            ("RATE_LIMIT_USER", "100000".to_owned()),
            ("RATE_LIMIT_CHECKOUT", "100000".to_owned()),
        ]);
        config.extend(
            variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let state = Config::from_variables(|name| config.get(name).cloned()).unwrap();
        let state = AppState::new(state).unwrap();

        let mut servers = vec![serve(&state, api)];
        let (stand_in_clerk, stand_in_stripe) = (clerk.clone(), stripe.clone());
        let stand_ins = HttpServer::new(move || {
            App::new()
                .service(web::scope("/clerk").configure(|config| stand_in_clerk.configure(config)))
                .service(
                    web::scope("/stripe").configure(|config| stand_in_stripe.configure(config)),
                )
        });
        let stand_ins = stand_ins
            .workers(1)
            .keep_alive(Duration::from_secs(120))
            .client_request_timeout(Duration::from_secs(60))
            .disable_signals()
            .listen(local)
            .unwrap()
            .run();
        servers.push(stand_ins.handle());
        tokio::spawn(stand_ins);
        Self {
            url,
            state,
            clerk,
            stripe,
            variables: config,
            http: Client::connections(),
            database,
            servers,
            finished: false,
        }
    }

    /// Another instance on the same database, with some variables set differently: where it answers, and its state.
    pub fn another(&mut self, variables: &[(&str, &str)]) -> (String, AppState) {
        let set = |name: &str| {
            let set = variables.iter().find(|(set, _)| *set == name);
            set.map(|(_, value)| (*value).to_owned())
        };
        let config =
            Config::from_variables(|name| set(name).or_else(|| self.variables.get(name).cloned()));
        let state = AppState::new(config.unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        self.servers.push(serve(&state, listener));
        (url, state)
    }

    /// Somebody without a token.
    pub fn anon(&self) -> Client {
        Client::new(&self.http, &self.url, None, "")
    }

    /// Somebody with a token that the test made itself.
    pub fn with_token(&self, token: &str) -> Client {
        Client::new(&self.http, &self.url, Some(token.to_owned()), "")
    }

    /// Somebody who calls another server, with that one's key.
    pub fn with_address(&self, base: &str, key: &str) -> Client {
        Client::new(&self.http, base, Some(key.to_owned()), "")
    }

    /// A learner, by a short name.
    pub fn learner(&self, name: &str) -> Client {
        let (person, _) = self.clerk.add_person(name).unwrap();
        let token = self
            .clerk
            .mint(&person.clerk_user_id, &TokenOptions::default())
            .unwrap();
        Client::new(&self.http, &self.url, Some(token), &person.clerk_user_id)
    }

    /// The store's owner.
    pub fn admin(&self) -> Client {
        let client = self.learner("admin");
        user::set_role(
            &mut self.database.connect(),
            &client.clerk_user_id,
            UserRole::Admin,
        )
        .unwrap();
        client
    }

    /// A connection to look behind the API, for what it does not show.
    pub fn db(&self) -> PgConnection {
        self.database.connect()
    }

    /// Takes the database away, until [`Self::restore_database`].
    pub fn cut_database(&self) {
        self.database.set_reachable(false);
    }

    /// Brings the database back.
    pub fn restore_database(&self) {
        self.database.set_reachable(true);
    }

    /// Crashes the database's server, in a store that was started with [`Self::start_alone`]. It comes back by itself.
    pub fn crash_database(&self) {
        self.database.crash_server();
    }

    /// Where the store's database is, for another program that works on it.
    pub fn database_url(&self) -> String {
        self.database.url()
    }

    /// Counts rows: `app.count("purchases")`, `app.count("jobs WHERE status = 'pending'")`.
    pub fn count(&self, from: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        diesel::sql_query(format!("SELECT count(*) FROM {from}"))
            .get_result::<Count>(&mut self.db())
            .unwrap()
            .count
    }

    /// Lets no pass against the providers fall due while a worker runs. It might find first what a test brings about, and
    /// would bury people whom the local Clerk does not know.
    pub fn put_off_the_pass(&self) {
        self.sql("UPDATE reconciler SET due_at = now() + interval '1 day'");
    }

    /// Works on events and jobs until none is due.
    pub async fn work(&self) {
        loop {
            let events = worker::handle_due_events(&self.state).await.unwrap();
            let jobs = worker::handle_due_jobs(&self.state).await.unwrap();
            if events + jobs == 0 {
                return;
            }
        }
    }

    /// Lets Stripe deliver everything that it has to say, and works on it. Every delivery has to be accepted.
    pub async fn settle(&self) -> Vec<Attempt> {
        let attempts = self.stripe.deliver_all().await;
        for attempt in &attempts {
            assert_eq!(
                attempt.status,
                Some(200),
                "{} was not accepted",
                attempt.event_type
            );
        }
        self.work().await;
        attempts
    }

    /// Sends a body of the test's making, signed like Stripe's.
    pub async fn stripe_event(&self, event: &Value) -> super::Reply {
        let body = event.to_string();
        let header = super::sign_stripe(
            STRIPE_WEBHOOK_SECRET,
            chrono::Utc::now().timestamp(),
            body.as_bytes(),
        );
        let client = self.anon();
        let request = client
            .request(reqwest::Method::POST, "/v1/webhooks/stripe")
            .header("stripe-signature", header);
        client
            .send(
                request
                    .header("content-type", "application/json")
                    .body(body),
            )
            .await
    }

    /// Ends the test: works off what is left, and holds what has to be true after each of them.
    pub async fn finish(mut self) {
        self.work().await;
        assert_eq!(
            self.count("jobs WHERE status <> 'done'"),
            0,
            "a job is left"
        );
        assert_eq!(
            self.count("webhook_events WHERE status IN ('received', 'dead')"),
            0,
            "an event is left"
        );
        for (what, derived, counted) in DERIVED {
            let differences = format!(
                "((({derived}) EXCEPT ({counted})) UNION ALL (({counted}) EXCEPT ({derived}))) AS difference"
            );
            assert_eq!(self.count(&differences), 0, "{what}");
        }
        for (offenders, what) in MONEY_RULES {
            assert_eq!(self.count(offenders), 0, "{what}");
        }
        let unkeyed =
            |request: &Recorded| request.method == "POST" && request.idempotency_key.is_none();
        assert!(
            !self.stripe.requests().iter().any(unkeyed),
            "a POST to Stripe had no idempotency key"
        );
        self.stop().await;
    }

    /// Ends a test that leaves work behind on purpose and has said so with its own assertions.
    pub async fn finish_with_work_left(mut self) {
        self.stop().await;
    }

    async fn stop(&mut self) {
        self.finished = true;
        for server in &self.servers {
            server.stop(false).await;
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        assert!(
            self.finished || std::thread::panicking(),
            "end the test with app.finish().await"
        );
    }
}
