//! Stripe's own record of what happened, for whatever no webhook has brought.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use miniserde::json::Value as MiniValue;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::{Stripe, StripeError};

/// Some objects of a list, newest first.
#[derive(Debug, Clone)]
pub struct ListPage {
    /// As they are: a webhook would have brought an event so.
    pub objects: Vec<Value>,
    /// After which the next page begins; `None` for the last one.
    pub next: Option<String>,
}

/// What is listed by the time at which it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed<'a> {
    /// Events of these types. Stripe keeps them for 30 days. <https://docs.stripe.com/api/events/list>
    Events(&'a [&'a str]),
    /// <https://docs.stripe.com/api/refunds/list>
    Refunds,
    /// <https://docs.stripe.com/api/disputes/list>
    Disputes,
}

/// Read by hand and not with the generated types, which refuse what a newer Stripe adds.
#[derive(miniserde::Deserialize)]
struct List {
    data: Vec<MiniValue>,
    has_more: bool,
}

impl Stripe {
    /// Reads up to 100 objects that were made at `since` or later; the next older ones come `after` what the page before
    /// says.
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn list_since(
        &self,
        listed: Listed<'_>,
        since: DateTime<Utc>,
        after: Option<&str>,
    ) -> Result<ListPage, StripeError> {
        let mut query = format!("limit=100&created[gte]={}", since.timestamp());
        let path = match listed {
            Listed::Events(types) => {
                for (index, kind) in types.iter().enumerate() {
                    // Writing to a string cannot fail.
                    let _ = write!(query, "&types[{index}]={kind}");
                }
                "/events"
            }
            Listed::Refunds => "/refunds",
            Listed::Disputes => "/disputes",
        };
        if let Some(id) = after {
            let _ = write!(query, "&starting_after={id}");
        }
        let mut request = RequestBuilder::new(StripeMethod::Get, path);
        request.query = Some(query);
        let list = request.customize::<List>().send(self).await?;
        let objects = list.data.iter().map(|object| {
            serde_json::from_str(&miniserde::json::to_string(object))
                .map_err(|_| StripeError::Unreadable)
        });
        let objects: Vec<Value> = objects.collect::<Result<_, _>>()?;
        let last = objects.last().and_then(|object| object.get("id")?.as_str());
        Ok(ListPage {
            next: last.filter(|_| list.has_more).map(str::to_owned),
            objects,
        })
    }
}
