//! A local Stripe: the part of the provider that a course store uses, for `cargo run` and for the tests.
//!
//! It serves Stripe's API under `/v1`, a page where a person pays under `/pay`, and a small dashboard at its
//! root. Rust methods on [`LocalStripe`] do all that the pages do, and more, without any waiting.

mod adopted;
mod api;
mod books;
mod controls;
mod coupons;
mod delivery;
mod disputes;
mod error;
mod events;
mod faults;
mod form;
mod idempotency;
mod items;
mod listing;
mod objects;
mod pages;
mod payments;
mod refunds;
mod sessions;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::web;
use secrecy::SecretString;
use tokio::sync::Notify;

pub use self::{
    adopted::Adopted,
    delivery::{Attempt, Delivery, Weather},
    disputes::Verdict,
    error::ApiError,
    faults::{Fault, Trouble},
    form::Form,
    payments::Outcome,
};
use self::{
    books::{Books, Cause, Data},
    faults::Faults,
    objects::Templates,
};

/// How a local Stripe is set up.
pub struct Options {
    /// The only key that its API accepts, `sk_test_...`.
    pub secret_key: SecretString,
    /// What it signs events with, `whsec_...`.
    pub webhook_secret: SecretString,
    /// Where the listener (and scope) that serves it is reached, such as `http://127.0.0.1:8081/stripe`.
    pub base_url: String,
    /// Where events go; can be set later.
    pub webhook_url: Option<String>,
    /// When events go out.
    pub delivery: Delivery,
    /// Keeps the books over a restart.
    pub state_file: Option<PathBuf>,
}

/// Why a local Stripe cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file of an earlier run is of no use.
    #[error("cannot read the local Stripe's state file {}: {source}; remove the file to start over", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A fixture under `tests/fixtures/stripe` was broken when this was built.
    #[error("an object under tests/fixtures/stripe is not JSON: {0}")]
    Template(#[from] serde_json::Error),
    /// The client that delivers events cannot be built.
    #[error("cannot set up the client that delivers events: {0}")]
    Client(#[from] reqwest::Error),
}

/// A request that came in under `/v1`, for assertions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// In capitals.
    pub method: String,
    /// From `/v1` on.
    pub path: String,
    /// The header of that name.
    pub idempotency_key: Option<String>,
    /// The body's parameters, or the query's.
    pub form: Form,
}

/// A handle on a local Stripe; its clones share everything.
#[derive(Clone)]
pub struct LocalStripe(Arc<Inner>);

struct Inner {
    options: Options,
    client: reqwest::Client,
    shared: Mutex<Shared>,
    changed: Notify,
    delivering: AtomicBool,
}

struct Shared {
    books: Books,
    faults: Faults,
    requests: Vec<Recorded>,
    weather: Weather,
    webhook_url: Option<String>,
}

impl LocalStripe {
    /// Opens the books, with what the state file holds.
    pub fn new(options: Options) -> Result<Self, OpenError> {
        let data = match &options.state_file {
            None => Data::default(),
            Some(path) => Data::load(path).map_err(|source| OpenError::StateFile {
                path: path.clone(),
                source,
            })?,
        };
        let books = Books {
            data,
            templates: Templates::load()?,
            base_url: options.base_url.trim_end_matches('/').to_owned(),
            cause: Cause::default(),
            hold_refunds: false,
        };
        let shared = Shared {
            books,
            faults: Faults::default(),
            requests: Vec::new(),
            weather: Weather::default(),
            webhook_url: options.webhook_url.clone(),
        };
        // Stripe waits a while for a webhook, and takes a redirect for a failure.
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self(Arc::new(Inner {
            options,
            client,
            shared: Mutex::new(shared),
            changed: Notify::new(),
            delivering: AtomicBool::new(false),
        })))
    }

    /// Mounts everything, in an `App` of its own or in a scope; to be called within an actix runtime, which
    /// automatic deliveries then run on.
    pub fn configure(&self, cfg: &mut web::ServiceConfig) {
        let automatic = self.0.options.delivery == Delivery::Automatic;
        if automatic && !self.0.delivering.swap(true, Ordering::Relaxed) {
            actix_web::rt::spawn(self.clone().run_deliveries());
        }
        cfg.app_data(web::Data::new(self.clone()))
            .route("/v1/{path:.*}", web::route().to(api::serve))
            .configure(pages::configure)
            .default_service(web::route().to(api::not_found));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the books, in which sessions whose time has come are expired first.
    fn books<T>(&self, read: impl FnOnce(&mut Books) -> T) -> T {
        let mut shared = self.lock();
        if sessions::expire_due(&mut shared.books) {
            self.keep(&shared.books);
        }
        read(&mut shared.books)
    }

    /// Opens the books for a change, which is kept.
    fn change<T>(&self, change: impl FnOnce(&mut Books) -> T) -> T {
        self.books(|books| {
            let result = change(books);
            self.keep(books);
            result
        })
    }

    /// Writes the state file, and wakes the deliveries.
    fn keep(&self, books: &Books) {
        if let Some(path) = &self.0.options.state_file
            && let Err(error) = books.data.save(path)
        {
            tracing::error!(%error, path = %path.display(), "cannot write the local Stripe's state file");
        }
        self.0.changed.notify_one();
    }

    fn record(&self, request: Recorded) {
        self.lock().requests.push(request);
    }

    fn take_fault(&self, method: &str, path: &str) -> Option<(Trouble, bool)> {
        self.lock().faults.take(method, path)
    }
}
