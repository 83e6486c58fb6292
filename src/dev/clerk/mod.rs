//! A local Clerk: issues session tokens, publishes their keys, keeps a few people behind the parts of the
//! Backend API that the store calls, and sends signed webhooks. For `cargo run` and the tests.

mod api;
mod events;
mod key;
mod mint;
mod people;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

pub use self::{
    events::{INSTANCE_ID, UserEvent},
    mint::TokenOptions,
    people::{Person, user_id},
};
use self::{
    key::SigningKey,
    people::{People, UserTemplate},
};
use crate::webhooks::signature::StandardSecret;

/// How the local Clerk is set up.
pub struct Options {
    /// Where it is reached and so the `iss` of its tokens, without a slash at the end.
    pub base_url: String,
    /// Signs the webhooks.
    pub webhook_secret: StandardSecret,
    /// Where webhooks go; `None`: [`LocalClerk::deliver`] has nowhere to send.
    pub webhook_url: Option<String>,
    /// Sends `user.*` events by itself whenever somebody appears, changes or goes, as Clerk does.
    pub announce: bool,
    /// Keeps the signing key (PKCS#8 DER, readable by its owner only), so that tokens survive a restart.
    pub key_file: Option<PathBuf>,
    /// Keeps the people, so that nobody's id changes meaning at a restart.
    pub people_file: Option<PathBuf>,
}

/// What went wrong in the local Clerk.
#[derive(Debug, thiserror::Error)]
pub enum LocalClerkError {
    #[error("{} cannot be read or written: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} does not hold what the local Clerk wrote; delete it and start again", path.display())]
    Damaged { path: PathBuf },
    #[error("the RSA key cannot be made or used")]
    Key,
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` is not a name for a local person: use 1 to 40 of a-z, 0-9 and -")]
    Name(String),
    #[error("no webhook URL is set; give Options::webhook_url or call set_webhook_url")]
    NoWebhookUrl,
    #[error("the webhook could not be delivered: {0}")]
    Delivery(#[from] reqwest::Error),
}

/// What the key set endpoint answers.
#[derive(Debug, Clone, Default)]
pub enum JwksMode {
    /// The keys.
    #[default]
    Serve,
    /// A server error.
    Fail,
    /// 200 with this text, whatever it is.
    Body(String),
}

/// The local Clerk; clones are the same one.
#[derive(Clone)]
pub struct LocalClerk(Arc<Inner>);

struct Inner {
    base_url: String,
    webhook_secret: StandardSecret,
    announce: bool,
    people_file: Option<PathBuf>,
    template: UserTemplate,
    http: reqwest::Client,
    jwks_fetches: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// The last one signs.
    keys: Vec<SigningKey>,
    people: People,
    jwks: JwksMode,
    webhook_url: Option<String>,
    /// Calls of the Backend API: method and path.
    calls: Vec<String>,
    /// How many of the next ones fail.
    outage: u32,
}

impl LocalClerk {
    /// Reads or makes the signing key and the list of people. Blocks for about a second when it makes a key.
    ///
    /// # Errors
    /// [`LocalClerkError`] when a file is unusable or no key can be made.
    pub fn new(options: Options) -> Result<Self, LocalClerkError> {
        let key = match &options.key_file {
            Some(path) => SigningKey::load_or_generate(path)?,
            None => SigningKey::generate()?,
        };
        let people = match &options.people_file {
            Some(path) => people::load(path)?,
            None => People::default(),
        };
        Ok(Self(Arc::new(Inner {
            base_url: options.base_url,
            webhook_secret: options.webhook_secret,
            announce: options.announce,
            people_file: options.people_file,
            template: UserTemplate::new()?,
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()?,
            jwks_fetches: AtomicUsize::new(0),
            state: Mutex::new(State {
                keys: vec![key],
                people,
                jwks: JwksMode::Serve,
                webhook_url: options.webhook_url,
                calls: Vec::new(),
                outage: 0,
            }),
        })))
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.base_url
    }

    /// Where its keys are.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.0.base_url)
    }

    /// Sends webhooks there from now on.
    pub fn set_webhook_url(&self, url: Option<String>) {
        self.state().webhook_url = url;
    }

    /// Signs with a new key from now on; `keep_old` says whether the key set still lists those before it.
    /// The key file keeps the first key: rotation is for tests.
    ///
    /// # Errors
    /// [`LocalClerkError::Key`]
    pub fn rotate_keys(&self, keep_old: bool) -> Result<(), LocalClerkError> {
        let key = SigningKey::generate()?;
        let mut state = self.state();
        if !keep_old {
            state.keys.clear();
        }
        state.keys.push(key);
        Ok(())
    }

    /// Changes what the key set endpoint answers.
    pub fn set_jwks(&self, mode: JwksMode) {
        self.state().jwks = mode;
    }

    /// Lets the next calls of the Backend API fail, without an effect.
    pub fn fail_calls(&self, times: u32) {
        self.state().outage = times;
    }

    /// How many calls of the Backend API there were with this method, failed ones included.
    #[must_use]
    pub fn count_calls(&self, method: &str) -> usize {
        let state = self.state();
        let of_method = |call: &&String| call.starts_with(method);
        state.calls.iter().filter(of_method).count()
    }

    /// How often the key set was asked for, failed answers included.
    #[must_use]
    pub fn jwks_fetches(&self) -> usize {
        self.0.jwks_fetches.load(Ordering::SeqCst)
    }

    /// The JSON Web Key Set of the keys in use.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.state().keys.iter().map(SigningKey::jwk).collect();
        serde_json::json!({ "keys": keys })
    }

    /// A panic elsewhere while it was held leaves the state usable: every change is one assignment.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
