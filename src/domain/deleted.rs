//! Whether a list shows what was deleted.

use serde::Deserialize;
use utoipa::ToSchema;

/// Deleted rows: left out, nothing but them, or among the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Deleted {
    #[default]
    No,
    Only,
    Include,
}
