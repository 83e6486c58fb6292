//! The superuser's password: what we keep of it, and what the server is given instead.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// 244 random bits in hexadecimal. Loopback is open to every user of the machine; this is what keeps them out.
pub(super) fn generate() -> SecretString {
    let halves = [Uuid::new_v4(), Uuid::new_v4()];
    halves.map(|half| half.simple().to_string()).concat().into()
}

/// What Postgres stores for a password (RFC 5803), here with one iteration instead of its 4096: stretching protects
/// passwords that can be guessed, and would cost each of the tests' many connections 11 ms.
pub(super) fn verifier(password: &SecretString) -> String {
    let salt = Uuid::new_v4().into_bytes();
    // RFC 5802, section 3; with one iteration Hi() is its first HMAC.
    let salted = hmac(
        password.expose_secret().as_bytes(),
        &[salt.as_slice(), &[0, 0, 0, 1]].concat(),
    );
    let stored_key = Sha256::digest(hmac(&salted, b"Client Key"));
    let server_key = hmac(&salted, b"Server Key");
    let [salt, stored, server] =
        [salt.as_slice(), &stored_key, &server_key].map(|bytes| BASE64_STANDARD.encode(bytes));
    format!("SCRAM-SHA-256$1:{salt}${stored}:{server}")
}

/// HMAC-SHA-256 for keys up to the 64 bytes of a block, which the algorithm pads with zeros itself (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    for (padded, byte) in block.iter_mut().zip(key) {
        *padded = *byte;
    }
    Hmac::<Sha256>::new(&block.into())
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}
