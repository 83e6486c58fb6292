//! Fields of a JSON merge patch (RFC 7396): absent keeps, null clears, a value sets.

use serde::{Deserialize, Deserializer};

/// For a field that cannot be null: absent is `None`, null is an error. Use with `#[serde(default)]`.
///
/// # Errors
/// When the value is null or not a `T`.
pub fn set<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// For a field that can be null: absent is `None`, null is `Some(None)`. Use with `#[serde(default)]`.
///
/// # Errors
/// When the value is neither null nor a `T`.
pub fn set_or_clear<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
