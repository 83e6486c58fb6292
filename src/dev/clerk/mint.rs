//! Session tokens in the shape of Clerk's version 2, and every wrong one that a test may want.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{LocalClerk, LocalClerkError, people::base62};

/// Clerk's live one minute; nobody wants to fetch a new one every minute by hand.
const LIFE: TimeDelta = TimeDelta::hours(12);

/// Changes to the usual token: the fields given replace the usual ones, and `null` removes one.
#[derive(Debug, Clone, Default)]
pub struct TokenOptions {
    pub claims: Value,
    pub header: Value,
}

impl TokenOptions {
    /// When a token that is made now ends, unless its claims say otherwise; whole seconds.
    #[must_use]
    pub fn expiry() -> DateTime<Utc> {
        (Utc::now() + LIFE).trunc_subsecs(0)
    }

    /// Changes to the claims only.
    #[must_use]
    pub fn claims(claims: Value) -> Self {
        Self {
            claims,
            header: Value::Null,
        }
    }

    /// Changes to the header only.
    #[must_use]
    pub fn header(header: Value) -> Self {
        Self {
            claims: Value::Null,
            header,
        }
    }
}

impl LocalClerk {
    /// A session token for a Clerk user id, who need not be among the people.
    ///
    /// # Errors
    /// [`LocalClerkError::Key`], [`LocalClerkError::Json`]
    pub fn mint(&self, sub: &str, options: &TokenOptions) -> Result<String, LocalClerkError> {
        let mut header =
            json!({ "alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": self.kid(), "typ": "JWT" });
        let now = Utc::now().timestamp();
        let mut claims = json!({
            "azp": "http://localhost:3000",
            "exp": TokenOptions::expiry().timestamp(),
            "fva": [0, -1],
            "iat": now,
            "iss": self.issuer(),
            "jti": uuid::Uuid::new_v4().simple().to_string(),
            "nbf": now - 10,
            "sid": format!("sess_2{}", base62(&Sha256::digest(sub), 26)),
            "sts": "active",
            "sub": sub,
            "v": 2,
        });
        apply(&mut header, &options.header);
        apply(&mut claims, &options.claims);
        self.mint_raw(&header, &claims)
    }

    /// Signs anything as its header's `alg` says: `none` leaves the signature out, `HS256` takes the public key
    /// for a secret as a forger would, and everything else is signed RS256, with the key that `kid` names or
    /// else the newest.
    ///
    /// # Errors
    /// [`LocalClerkError::Key`], [`LocalClerkError::Json`]
    pub fn mint_raw(&self, header: &Value, claims: &Value) -> Result<String, LocalClerkError> {
        let part = |value| {
            Ok::<_, LocalClerkError>(BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value)?))
        };
        let message = format!("{}.{}", part(header)?, part(claims)?);
        let state = self.state();
        let named = state
            .keys
            .iter()
            .find(|key| Some(key.kid()) == text(header, "kid"));
        let key = named.or(state.keys.last()).ok_or(LocalClerkError::Key)?;
        let signature = match text(header, "alg") {
            Some("none") => Vec::new(),
            Some("HS256") => Hmac::<Sha256>::new_from_slice(key.public_der())
                .map_err(|_| LocalClerkError::Key)?
                .chain_update(&message)
                .finalize()
                .into_bytes()
                .to_vec(),
            _ => key.sign(message.as_bytes())?,
        };
        Ok(format!(
            "{message}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    /// Id of the key that signs.
    #[must_use]
    pub fn kid(&self) -> String {
        self.state()
            .keys
            .last()
            .map(|key| key.kid().to_owned())
            .unwrap_or_default()
    }
}

fn text<'v>(object: &'v Value, field: &str) -> Option<&'v str> {
    object.get(field).and_then(Value::as_str)
}

/// A JSON merge patch (RFC 7396) of one object; Clerk merges metadata the same way.
pub(super) fn apply(target: &mut Value, changes: &Value) {
    let (Some(target), Some(changes)) = (target.as_object_mut(), changes.as_object()) else {
        return;
    };
    for (field, value) in changes {
        match target.get_mut(field) {
            _ if value.is_null() => {
                target.remove(field);
            }
            Some(old) if old.is_object() && value.is_object() => apply(old, value),
            _ => {
                target.insert(field.clone(), value.clone());
            }
        }
    }
}
