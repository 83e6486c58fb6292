//! Reading parameters in Stripe's bracket notation, such as `line_items[0][quantity]=1`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::error::ApiError;

/// Decoded parameters of a form or a query, under their names as they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads what was sent, whatever it is.
    pub fn parse(encoded: &[u8]) -> Self {
        let mut pairs: Vec<_> = form_urlencoded::parse(encoded).into_owned().collect();
        // Two requests with the same parameters are the same request, in whatever order they are sent.
        pairs.sort();
        Self(pairs)
    }

    /// The value of `key`, as in `metadata[checkout_id]`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether anything was sent under `prefix`.
    pub fn has(&self, prefix: &str) -> bool {
        self.0.iter().any(|(name, _)| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        })
    }

    pub(super) fn require(&self, key: &str) -> Result<&str, ApiError> {
        self.get(key).ok_or_else(|| {
            let message = format!("Missing required param: {key}.");
            ApiError::parameter("parameter_missing", key, message)
        })
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                let message = format!("Invalid integer: {text}");
                ApiError::parameter("parameter_invalid_integer", key, message)
            })
        };
        self.get(key).map(parse).transpose()
    }

    /// The values of `name[]`, `name[0]`, `name[1]`, ...
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let inside = |key: &str| {
            key.strip_prefix(name)?
                .strip_prefix('[')?
                .strip_suffix(']')
                .filter(|index| index.chars().all(|c| c.is_ascii_digit()))
                .map(drop)
        };
        self.0
            .iter()
            .filter(|(key, _)| inside(key).is_some())
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The map `prefix[key]=value`, within the limits of <https://docs.stripe.com/metadata>: 50 keys of
    /// 40 characters, values of 500.
    pub(super) fn metadata(&self, prefix: &str) -> Result<Value, ApiError> {
        let mut map = Map::new();
        for (name, value) in &self.0 {
            let key = name
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix('['))
                .and_then(|rest| rest.strip_suffix(']'));
            let Some(key) = key else { continue };
            if key.chars().count() > 40 || value.chars().count() > 500 {
                let message = "Metadata keys can have up to 40 characters, values up to 500.";
                return Err(ApiError::parameter(
                    "parameter_invalid_string",
                    name,
                    message,
                ));
            }
            map.insert(key.to_owned(), value.as_str().into());
        }
        if map.len() > 50 {
            let message = "Metadata can have up to 50 keys.";
            return Err(ApiError::parameter(
                "parameter_invalid_map",
                prefix,
                message,
            ));
        }
        Ok(map.into())
    }

    /// Refuses parameters outside `allowed` (top-level names), and empty values outside metadata.
    pub(super) fn only(&self, allowed: &[&str]) -> Result<(), ApiError> {
        for (name, value) in &self.0 {
            let top = name.split('[').next().unwrap_or(name);
            if !allowed.contains(&top) {
                let message = format!("Received unknown parameter: {top}");
                return Err(ApiError::parameter("parameter_unknown", top, message));
            }
            if value.is_empty() && !name.contains("metadata[") {
                let message = format!("You passed an empty string for '{name}'.");
                return Err(ApiError::parameter(
                    "parameter_invalid_empty",
                    name,
                    message,
                ));
            }
        }
        Ok(())
    }
}
