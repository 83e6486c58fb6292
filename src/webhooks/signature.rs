//! Proof that a webhook's raw body came from the provider: Stripe's scheme and the Standard Webhooks one
//! (Svix, hence Clerk). Pure functions over bytes; nothing here parses a body.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

/// How far a signature's time may lie from ours, in seconds, in either direction. Both providers' own
/// libraries use five minutes.
/// H: A4
pub const TOLERANCE_SECONDS: u64 = 300;

const SECRET_PREFIX: &str = "whsec_";

/// Why a delivery is refused. The messages are for the log; a sender learns no more than "bad signature".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("a signature header is missing; was this sent by the provider?")]
    Missing,
    #[error("a signature header is malformed")]
    Malformed,
    #[error(
        "no signature in the header matches any configured secret; compare the endpoint's signing secret"
    )]
    Mismatch,
    #[error(
        "the signature is genuine but its time is more than {TOLERANCE_SECONDS} s from ours; a replay, or a clock is wrong"
    )]
    Expired,
}

/// Why a signing secret is refused at start. The secret itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error(
        "a webhook signing secret starts with `whsec_`; copy the whole value from the provider's dashboard"
    )]
    Prefix,
    #[error("the webhook signing secret is empty after `whsec_`")]
    Empty,
    #[error(
        "the webhook signing secret is not base64 after `whsec_`; copy it again from Clerk's dashboard"
    )]
    Encoding,
}

/// A Stripe endpoint's signing secret. Stripe uses the whole string, prefix included, as the HMAC key.
#[derive(Clone)]
pub struct StripeSecret(SecretSlice<u8>);

/// A Standard Webhooks (Svix) signing secret: the HMAC key is what the base64 after `whsec_` decodes to.
#[derive(Clone)]
pub struct StandardSecret(SecretSlice<u8>);

impl FromStr for StripeSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        without_prefix(text)?;
        Ok(Self(text.as_bytes().to_vec().into()))
    }
}

impl FromStr for StandardSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let key = BASE64_STANDARD
            .decode(without_prefix(text.trim())?)
            .map_err(|_| SecretError::Encoding)?;
        Ok(Self(key.into()))
    }
}

fn without_prefix(text: &str) -> Result<&str, SecretError> {
    match text.strip_prefix(SECRET_PREFIX) {
        None => Err(SecretError::Prefix),
        Some("") => Err(SecretError::Empty),
        Some(rest) => Ok(rest),
    }
}

impl fmt::Debug for StripeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StripeSecret(hidden)")
    }
}

impl fmt::Debug for StandardSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandardSecret(hidden)")
    }
}

impl StandardSecret {
    /// Signs a message as Standard Webhooks senders do: the value of the signature header.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let timestamp = timestamp.to_string();
        let tag = keyed(&self.0, &[id.as_bytes(), timestamp.as_bytes(), body]).finalize();
        format!("v1,{}", BASE64_STANDARD.encode(tag.into_bytes()))
    }
}

/// Checks a `Stripe-Signature` header (`t=<seconds>,v1=<hex>[,v1=<hex>...]`) against the raw body. One `v1`
/// has to match one secret, so that rolling a secret loses nothing; other schemes are ignored.
/// Source: Stripe, "Verify webhook signatures manually".
///
/// # Errors
/// [`SignatureError`]; `Expired` only for a signature that is otherwise genuine.
/// H: A1, A3, A4
pub fn verify_stripe(
    secrets: &[StripeSecret],
    header: Option<&[u8]>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), SignatureError> {
    let header = text(header)?;
    let mut timestamp = None;
    let mut tags = Vec::new();
    for part in header.split(',') {
        match part
            .trim()
            .split_once('=')
            .ok_or(SignatureError::Malformed)?
        {
            // A second time would leave it open which one was signed.
            ("t", _) if timestamp.is_some() => return Err(SignatureError::Malformed),
            ("t", value) => timestamp = Some(value),
            ("v1", value) => tags.push(value),
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or(SignatureError::Malformed)?;
    let signed_at = seconds(timestamp)?;
    if tags.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let tags: Vec<_> = tags.into_iter().filter_map(from_hex).collect();
    let keys = secrets.iter().map(|secret| &secret.0);
    any_match(keys, &[timestamp.as_bytes(), body], &tags)?;
    in_time(signed_at, now)
}

/// The three headers of a Standard Webhooks message, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandardHeaders<'a> {
    pub id: Option<&'a [u8]>,
    pub timestamp: Option<&'a [u8]>,
    pub signature: Option<&'a [u8]>,
}

impl<'a> StandardHeaders<'a> {
    /// Takes the `svix-*` headers, which Clerk sends, or else the `webhook-*` ones; never a mix of the two.
    pub fn find(get: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let family = |id, timestamp, signature| Self {
            id: get(id),
            timestamp: get(timestamp),
            signature: get(signature),
        };
        let svix = family("svix-id", "svix-timestamp", "svix-signature");
        if svix.id.is_some() || svix.timestamp.is_some() || svix.signature.is_some() {
            return svix;
        }
        family("webhook-id", "webhook-timestamp", "webhook-signature")
    }
}

/// Checks a Standard Webhooks message against the raw body and returns its id, which names the delivery for
/// deduplication. The signature header holds `v1,<base64>` items separated by spaces; one has to match one
/// secret, and other versions are ignored.
/// Source: the Standard Webhooks specification, "Signature scheme".
///
/// # Errors
/// [`SignatureError`]; `Expired` only for a signature that is otherwise genuine.
/// H: A1, A3, A4
pub fn verify_standard<'a>(
    secrets: &[StandardSecret],
    headers: StandardHeaders<'a>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<&'a str, SignatureError> {
    let id = text(headers.id)?;
    let timestamp = text(headers.timestamp)?;
    let signatures = text(headers.signature)?;
    // The dot separates what is signed: an id that holds one could pass part of itself off as the time.
    if id.is_empty() || id.contains('.') {
        return Err(SignatureError::Malformed);
    }
    let signed_at = seconds(timestamp)?;
    let tags: Vec<_> = signatures
        .split(' ')
        .filter_map(|item| item.strip_prefix("v1,"))
        .filter_map(|tag| BASE64_STANDARD.decode(tag).ok())
        .collect();
    let keys = secrets.iter().map(|secret| &secret.0);
    any_match(keys, &[id.as_bytes(), timestamp.as_bytes(), body], &tags)?;
    in_time(signed_at, now)?;
    Ok(id)
}

fn text(header: Option<&[u8]>) -> Result<&str, SignatureError> {
    std::str::from_utf8(header.ok_or(SignatureError::Missing)?)
        .map_err(|_| SignatureError::Malformed)
}

/// Digits only: `str::parse` would also take a sign.
fn seconds(text: &str) -> Result<i64, SignatureError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::Malformed);
    }
    text.parse().map_err(|_| SignatureError::Malformed)
}

fn in_time(signed_at: i64, now: DateTime<Utc>) -> Result<(), SignatureError> {
    if now.timestamp().abs_diff(signed_at) > TOLERANCE_SECONDS {
        return Err(SignatureError::Expired);
    }
    Ok(())
}

/// Compares in constant time; which secret matched is nobody's business.
fn any_match<'k>(
    keys: impl Iterator<Item = &'k SecretSlice<u8>>,
    parts: &[&[u8]],
    tags: &[Vec<u8>],
) -> Result<(), SignatureError> {
    for key in keys {
        let mac = keyed(key, parts);
        if tags.iter().any(|tag| mac.clone().verify_slice(tag).is_ok()) {
            return Ok(());
        }
    }
    Err(SignatureError::Mismatch)
}

/// HMAC-SHA-256 over the parts joined by dots.
fn keyed(key: &SecretSlice<u8>, parts: &[&[u8]]) -> Hmac<Sha256> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length (RFC 2104)"
    )]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).expect("a key of any length");
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            mac.update(b".");
        }
        mac.update(part);
    }
    mac
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok())
        .collect()
}

#[cfg(test)]
mod tests;
