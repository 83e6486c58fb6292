//! Where a page of a list ends: the sort key and the id of its last row, opaque to clients. A digest goes before it, so
//! that one that was damaged or changed is refused; it is no secret, and whoever makes their own reads what they may.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::time::Moment;

/// A column that lists are ordered by.
pub trait SortKey: Serialize + DeserializeOwned {
    /// Whether the database could hold the value at all; a forged cursor may name one that it could not.
    fn is_storable(&self) -> bool;
}

impl SortKey for String {
    fn is_storable(&self) -> bool {
        !self.contains('\0')
    }
}

impl SortKey for i32 {
    fn is_storable(&self) -> bool {
        true
    }
}

impl SortKey for DateTime<Utc> {
    fn is_storable(&self) -> bool {
        Moment::is_storable(*self)
    }
}

/// The place after which the next page starts. `sort` names the list and its order, so that a cursor of one is
/// refused by another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor<K> {
    #[serde(rename = "s")]
    pub sort: String,
    #[serde(rename = "k")]
    pub key: K,
    #[serde(rename = "i")]
    pub id: Uuid,
}

impl<K: SortKey> Cursor<K> {
    /// As it goes out.
    ///
    /// # Errors
    /// When the key cannot be written as JSON.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        let json = serde_json::to_vec(self)?;
        Ok(URL_SAFE_NO_PAD.encode([&digest(&json)[..], &json].concat()))
    }

    /// As it comes back; `None` for whatever this list in this order did not make.
    pub fn decode(text: &str, sort: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (given, json) = bytes.split_first_chunk()?;
        if *given != digest(json) {
            return None;
        }
        serde_json::from_slice(json)
            .ok()
            .filter(|cursor: &Self| cursor.sort == sort && cursor.key.is_storable())
    }
}

fn digest(json: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(json));
    [a, b, c, d]
}
