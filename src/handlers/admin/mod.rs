//! The owner's side, by entity: what only an [`Admin`](crate::auth::extractors::Admin) may call.

pub mod access_grant;
pub mod audit_log;
pub mod country_discount;
pub mod course;
pub mod course_section;
pub mod dispute;
pub mod lesson;
pub mod product;
pub mod purchase;
pub mod reconciler;
pub mod refund;
pub mod statistics;
pub mod user;
pub mod webhook_event;

use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::deleted::Deleted;
use crate::http::page::default_limit;
use crate::problem::{FieldError, Problem};

/// Which rows of an owner's list, and which page of them.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `only`: what was deleted, instead of what was not.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    pub deleted: Deleted,
    /// How many rows at most.
    #[garde(range(min = 1, max = 100))]
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: u8,
    /// `nextCursor` of the page before.
    #[garde(skip)]
    pub cursor: Option<String>,
}

/// An order: every sibling once, as it should be from now on.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    #[garde(length(max = 1000))]
    #[schema(max_items = 1000)]
    pub ids: Vec<Uuid>,
}

impl Order {
    /// Holds the list against the siblings that there are.
    ///
    /// # Errors
    /// 422 that names what is foreign, repeated or missing.
    fn check(&self, siblings: &[Uuid]) -> Result<(), Problem> {
        let mut errors = each_once("/ids", &self.ids, siblings, "unknown-id");
        if errors.is_empty() && self.ids.len() < siblings.len() {
            errors.push(FieldError::at(
                "/ids",
                "incomplete",
                "has to name every sibling",
            ));
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

/// What is wrong with a list of ids that has to name known ones, each at most once.
fn each_once(
    pointer: &str,
    ids: &[Uuid],
    known: &[Uuid],
    unknown: &'static str,
) -> Vec<FieldError> {
    let fault = |(index, id): (usize, &Uuid)| {
        let pointer = format!("{pointer}/{index}");
        if !known.contains(id) {
            Some(FieldError::at(pointer, unknown, "is not known here"))
        } else if ids.iter().take(index).any(|earlier| earlier == id) {
            Some(FieldError::at(
                pointer,
                "repeated",
                "is in the list already",
            ))
        } else {
            None
        }
    };
    ids.iter().enumerate().filter_map(fault).collect()
}
