//! Clerk session tokens: what makes one valid, and what it says. Rights are not read from here: roles live in
//! the database alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use jsonwebtoken::{Algorithm, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, de::IgnoredAny};

use super::keys::{KeyError, KeyStore, KeyTimings};

/// Longest token that is looked at. Clerk's own stay below 4 KiB, which is all that a cookie can carry.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Clock difference that is forgiven, in seconds; Clerk's libraries use the same.
/// H: F13
const LEEWAY_SECONDS: u64 = 5;

/// `cat` in the header tells apart what one instance key signs: session tokens, custom template tokens, machine
/// tokens. These two values may stand for a session; instances that do not tell stamp the second on everything.
/// Source: the categories in Clerk's backend library, which also accepts a token without any.
const SESSION_CATEGORIES: [&str; 2] = ["cl_B7d4PD111AAA", "cl_I7d4PD111III"];

/// Whose tokens are accepted.
#[derive(Debug, Clone)]
pub struct VerifierConfig {
    /// The exact `iss`, e.g. `https://clerk.example.com`, without a slash at the end.
    pub issuer: String,
    /// Where the issuer publishes its keys.
    pub jwks_url: String,
    /// Allowed `azp` values: the origins of the front ends. Empty: any.
    pub authorized_parties: Vec<String>,
    /// Strict mode: refuses a token without `azp`. Clerk's libraries do so once parties are configured, but
    /// native apps send no origin and so get tokens without it.
    pub require_azp: bool,
    pub key_timings: KeyTimings,
}

/// What a session token says. Unknown claims are ignored, above all any that speak of roles or metadata.
/// H: F9
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    /// Clerk's user id, `user_...`.
    pub sub: String,
    pub iss: String,
    /// Session id, `sess_...`.
    pub sid: Option<String>,
    /// Origin of the front end that asked for the token.
    pub azp: Option<String>,
    /// Session status: `active`, or `pending` while the person still has to finish a task such as choosing an
    /// organisation.
    pub sts: Option<String>,
    /// Seconds since 1970, as are the two below.
    pub iat: Option<i64>,
    pub exp: i64,
    pub nbf: i64,
    act: Option<IgnoredAny>,
}

impl Claims {
    /// Whether somebody else acts as this user (an `act` claim, RFC 8693): support staff impersonating.
    #[must_use]
    pub fn impersonated(&self) -> bool {
        self.act.is_some()
    }
}

/// How long it may be remembered that a token is good: so long goes one that was signed with a key that was withdrawn.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The claims of a token that was checked a moment ago.
#[derive(Debug, Clone)]
pub struct Verified {
    pub claims: Arc<Claims>,
    until: Instant,
}

impl Verified {
    /// Claims that were checked just now.
    pub fn new(claims: Claims) -> Self {
        let left = claims.exp.saturating_sub(Utc::now().timestamp());
        let left = Duration::from_secs(u64::try_from(left).unwrap_or(0));
        Self {
            claims: Arc::new(claims),
            until: Instant::now() + left.min(REMEMBERED),
        }
    }

    /// Whether they need not be checked again.
    pub fn is_current(&self) -> bool {
        Instant::now() < self.until
    }
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// 401. The reason is for the log; saying more to the sender helps only forgers.
    #[error("the session token is not valid: {0}")]
    Invalid(&'static str),
    /// 403. Genuine, but the person has to finish signing in first.
    #[error("the session is pending: finish the sign-in tasks first")]
    SessionPending,
    /// 503. Nobody can be recognised until the issuer's keys can be fetched.
    #[error("session tokens cannot be checked now: the issuer's keys are not available")]
    KeysUnavailable,
}

/// Checks session tokens of one issuer. Keep one for the whole process: it holds the key cache.
pub struct Verifier {
    keys: KeyStore,
    validation: Validation,
    authorized_parties: Vec<String>,
    require_azp: bool,
}

impl Verifier {
    #[must_use]
    pub fn new(config: VerifierConfig, http: reqwest::Client) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.validate_aud = false; // Clerk names the party in `azp`
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "sub"]);
        validation.set_issuer(&[config.issuer]);
        Self {
            keys: KeyStore::new(config.jwks_url, http, config.key_timings),
            validation,
            authorized_parties: config.authorized_parties,
            require_azp: config.require_azp,
        }
    }

    /// Checks a compact JWS, the value after `Bearer `, and returns its claims.
    ///
    /// # Errors
    /// [`TokenError`]
    /// H: F12, F13, F14, F15, F16
    pub async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid("longer than 8 KiB"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| reason(error.kind()))?;
        let kid = check_header(&header)?;
        let key = self.keys.get(kid).await.map_err(|error| match error {
            KeyError::Unknown => TokenError::Invalid("unknown key id"),
            KeyError::Unavailable => TokenError::KeysUnavailable,
        })?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &self.validation)
            .map_err(|error| reason(error.kind()))?
            .claims;
        self.check_claims(&claims)?;
        Ok(claims)
    }

    fn check_claims(&self, claims: &Claims) -> Result<(), TokenError> {
        // Clerk's are `user_...`. The id becomes a key of ours, so it has to look like one.
        let is_id =
            claims.sub.len() <= 255 && claims.sub.bytes().all(|byte| byte.is_ascii_graphic());
        // Machine tokens come from the same key and need not carry a category.
        if claims.sub.is_empty() || !is_id || claims.sub.starts_with("mch_") {
            return Err(TokenError::Invalid("subject is not a user"));
        }
        let latest = Utc::now()
            .timestamp()
            .saturating_add_unsigned(LEEWAY_SECONDS);
        if claims.iat.is_some_and(|iat| iat > latest) {
            return Err(TokenError::Invalid("issued in the future"));
        }
        match &claims.azp {
            None if self.require_azp => return Err(TokenError::Invalid("no authorised party")),
            Some(azp)
                if !self.authorized_parties.is_empty()
                    && !self.authorized_parties.contains(azp) =>
            {
                return Err(TokenError::Invalid("foreign authorised party"));
            }
            _ => {}
        }
        // Last, so that only a genuine token learns that its session is pending.
        if claims.sts.as_deref() == Some("pending") {
            return Err(TokenError::SessionPending);
        }
        Ok(())
    }
}

/// What the header has to say before a key is looked for; returns the key id.
fn check_header(header: &Header) -> Result<&str, TokenError> {
    if header.alg != Algorithm::RS256 {
        return Err(TokenError::Invalid("algorithm is not RS256"));
    }
    // OAuth access tokens of the same instance are `at+jwt`.
    if header.typ.as_deref().is_some_and(|typ| typ != "JWT") {
        return Err(TokenError::Invalid("type is not JWT"));
    }
    // RFC 7515, section 4.1.11: extensions that are not understood must be refused, and we understand none.
    if header.crit.is_some() {
        return Err(TokenError::Invalid("critical header extension"));
    }
    if let Some(category) = header.extras.inner().get("cat") {
        let session = category
            .as_str()
            .is_some_and(|name| SESSION_CATEGORIES.contains(&name));
        if !session {
            return Err(TokenError::Invalid("not a session token"));
        }
    }
    header
        .kid
        .as_deref()
        .ok_or(TokenError::Invalid("no key id"))
}

fn reason(kind: &ErrorKind) -> TokenError {
    TokenError::Invalid(match kind {
        ErrorKind::InvalidSignature => "bad signature",
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not yet valid",
        ErrorKind::InvalidIssuer => "foreign issuer",
        ErrorKind::InvalidAlgorithm => "algorithm is not RS256",
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            "a claim is missing or malformed"
        }
        ErrorKind::Json(_) => "header or claims are not of the expected shape",
        _ => "not a signed token",
    })
}
