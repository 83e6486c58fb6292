//! Where a page of a list ends: the sort key and the id of its last row, opaque to clients.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The place after which the next page starts. `sort` names the order, so that a cursor of one order is refused by another.
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

impl<K: Serialize + DeserializeOwned> Cursor<K> {
    /// As it goes out.
    ///
    /// # Errors
    /// When the key cannot be written as JSON.
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_vec(self).map(|json| URL_SAFE_NO_PAD.encode(json))
    }

    /// As it comes back; `None` for whatever this list in this order did not make.
    pub fn decode(text: &str, sort: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&json)
            .ok()
            .filter(|cursor: &Self| cursor.sort == sort)
    }
}
