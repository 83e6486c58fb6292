//! The issuer's public signing keys: fetched from its JWKS endpoint, cached, and refreshed without a stampede.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use tokio::sync::{Mutex, watch};

/// A key set is a few kilobytes; more than this is not one.
const MAX_JWKS_BYTES: usize = 256 * 1024;

/// How often the key set may and must be fetched.
#[derive(Debug, Clone, Copy)]
pub struct KeyTimings {
    /// At most one fetch in this time once keys are known, however many unknown `kid`s arrive. It is also how
    /// long a token signed with a brand-new key may be refused in the worst case.
    pub refresh_interval: Duration,
    /// At most one fetch in this time while no keys are known: short, so that recovery is quick.
    pub cold_interval: Duration,
    /// Known keys older than this are fetched anew in the background, which also forgets withdrawn ones.
    pub max_age: Duration,
    /// Limit for one fetch, from connecting to the last byte.
    pub fetch_timeout: Duration,
}

impl Default for KeyTimings {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(10),
            cold_interval: Duration::from_secs(1),
            max_age: Duration::from_hours(1),
            fetch_timeout: Duration::from_secs(5),
        }
    }
}

/// Why no key can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the issuer has no key of this id")]
    Unknown,
    #[error(
        "no signing keys are known and the issuer's key set cannot be fetched; check CLERK_JWKS_URL"
    )]
    Unavailable,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the request failed: {0}")]
    Http(#[from] reqwest::Error),
    #[error("the answer was {0}")]
    Status(reqwest::StatusCode),
    #[error("the answer is longer than {MAX_JWKS_BYTES} bytes")]
    TooLong,
    #[error("the answer is not a JSON Web Key Set: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("the set holds no RSA key for RS256 signatures")]
    Empty,
}

type Keys = HashMap<String, DecodingKey>;

#[derive(Default)]
struct Cache {
    keys: Arc<Keys>,
    fetched_at: Option<Instant>,
    attempted_at: Option<Instant>,
}

/// The cache; clones share it.
/// H: F16
#[derive(Clone)]
pub struct KeyStore(Arc<Inner>);

struct Inner {
    url: String,
    http: reqwest::Client,
    timings: KeyTimings,
    cache: watch::Sender<Cache>,
    /// Held by the one fetch under way; those who wait for it use what it brought.
    fetching: Mutex<()>,
}

impl KeyStore {
    /// An empty cache; the first use fetches.
    #[must_use]
    pub fn new(url: String, http: reqwest::Client, timings: KeyTimings) -> Self {
        Self(Arc::new(Inner {
            url,
            http,
            timings,
            cache: watch::Sender::new(Cache::default()),
            fetching: Mutex::new(()),
        }))
    }

    /// The key of this id: from the cache, or after asking the issuer once more when that is allowed.
    ///
    /// # Errors
    /// [`KeyError`]
    pub async fn get(&self, kid: &str) -> Result<DecodingKey, KeyError> {
        if let Some(key) = self.0.known(kid) {
            if self.0.is_old() && self.0.may_fetch() {
                // Not waited for: the request at hand has its key, and an unreachable issuer changes nothing.
                drop(self.spawn_refresh());
            }
            return Ok(key);
        }
        if self.0.may_fetch()
            && let Err(error) = self.spawn_refresh().await
        {
            tracing::error!(%error, "the task that fetches the signing keys ended early");
        }
        self.0.known(kid).ok_or_else(|| match self.0.is_cold() {
            true => KeyError::Unavailable,
            false => KeyError::Unknown,
        })
    }

    /// In a task of its own, so that a caller who hangs up does not cut the fetch short for the others.
    fn spawn_refresh(&self) -> tokio::task::JoinHandle<()> {
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move { inner.refresh().await })
    }
}

impl Inner {
    fn known(&self, kid: &str) -> Option<DecodingKey> {
        let keys = Arc::clone(&self.cache.borrow().keys);
        keys.get(kid).cloned()
    }

    fn is_cold(&self) -> bool {
        self.cache.borrow().fetched_at.is_none()
    }

    fn is_old(&self) -> bool {
        let fetched_at = self.cache.borrow().fetched_at;
        fetched_at.is_none_or(|at| at.elapsed() >= self.timings.max_age)
    }

    fn may_fetch(&self) -> bool {
        let interval = match self.is_cold() {
            true => self.timings.cold_interval,
            false => self.timings.refresh_interval,
        };
        let attempted_at = self.cache.borrow().attempted_at;
        attempted_at.is_none_or(|at| at.elapsed() >= interval)
    }

    async fn refresh(&self) {
        let _fetching = self.fetching.lock().await;
        if !self.may_fetch() {
            return; // the fetch that we waited for has just ended
        }
        let fetched = self.fetch().await;
        // The pause counts from the end: whoever queued behind a slow fetch must not start another.
        let now = Some(Instant::now());
        match fetched {
            Ok(keys) => {
                self.cache.send_replace(Cache {
                    keys: Arc::new(keys),
                    fetched_at: now,
                    attempted_at: now,
                });
            }
            Err(error) => {
                tracing::warn!(%error, url = self.url, "the signing keys could not be fetched");
                self.cache.send_modify(|cache| cache.attempted_at = now);
            }
        }
    }

    async fn fetch(&self) -> Result<Keys, FetchError> {
        let request = self.http.get(&self.url).timeout(self.timings.fetch_timeout);
        let mut response = request.send().await?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_JWKS_BYTES {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        parse(&body)
    }
}

/// A JSON Web Key Set (RFC 7517, section 5), its entries still unread.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// An RSA public key (RFC 7517, section 4; RFC 7518, section 6.3.1).
#[derive(Deserialize)]
struct Entry {
    kid: String,
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    n: String,
    e: String,
}

/// Keeps the keys that can verify RS256 signatures and skips every other entry, as RFC 7517 asks.
fn parse(body: &[u8]) -> Result<Keys, FetchError> {
    let set: KeySet = serde_json::from_slice(body)?;
    let keys: Keys = set.keys.into_iter().filter_map(usable).collect();
    if keys.is_empty() {
        return Err(FetchError::Empty);
    }
    Ok(keys)
}

fn usable(entry: serde_json::Value) -> Option<(String, DecodingKey)> {
    let entry: Entry = serde_json::from_value(entry).ok()?;
    let signs = entry.usage.is_none_or(|usage| usage == "sig");
    let rs256 = entry.alg.is_none_or(|alg| alg == "RS256");
    if entry.kty != "RSA" || !signs || !rs256 {
        return None;
    }
    let key = DecodingKey::from_rsa_components(&entry.n, &entry.e).ok()?;
    Some((entry.kid, key))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn kids(set: &Value) -> Option<Vec<String>> {
        let mut kids: Vec<String> = parse(set.to_string().as_bytes())
            .ok()?
            .into_keys()
            .collect();
        kids.sort();
        Some(kids)
    }

    /// H: F16
    #[test]
    fn odd_entries_of_a_key_set_are_skipped_and_the_others_kept() {
        let set = json!({ "keys": [
            { "kid": "plain", "kty": "RSA", "n": "AQAB", "e": "AQAB" },
            { "kid": "full", "kty": "RSA", "use": "sig", "alg": "RS256", "n": "AQAB", "e": "AQAB", "x5c": [] },
            { "kid": "other-alg", "kty": "RSA", "alg": "RS512", "n": "AQAB", "e": "AQAB" },
            { "kid": "encryption", "kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB" },
            { "kid": "secret", "kty": "oct", "k": "AQAB" },
            { "kid": "curve", "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB" },
            { "kid": "not-base64", "kty": "RSA", "n": "é", "e": "AQAB" },
            { "kty": "RSA", "n": "AQAB", "e": "AQAB" },
            { "kid": 7 }, null, "text",
        ] });
        assert_eq!(
            kids(&set),
            Some(vec!["full".to_owned(), "plain".to_owned()])
        );
    }

    /// H: F16
    #[test]
    fn a_set_without_usable_keys_is_an_error_and_not_an_empty_set() {
        for set in [
            json!({ "keys": [] }),
            json!({ "keys": [null] }),
            json!({}),
            json!([]),
            json!(null),
        ] {
            assert_eq!(kids(&set), None, "{set}");
        }
        assert!(parse(b"<html>").is_err());
    }
}
