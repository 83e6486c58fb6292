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
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::{FieldError, Problem};

/// An order: every sibling once, as it should be from now on.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SiblingOrder)]
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
