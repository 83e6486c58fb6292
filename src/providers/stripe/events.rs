//! Stripe's own record of what happened: the events that a webhook may have missed.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use miniserde::json::Value as MiniValue;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::{Stripe, StripeError};

/// Some events, newest first.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// Each as a webhook would have brought it.
    pub events: Vec<Value>,
    /// After which the next page begins; `None` for the last one.
    pub next: Option<String>,
}

/// Read by hand and not with the generated types: the events go to the inbox as they are.
#[derive(miniserde::Deserialize)]
struct List {
    data: Vec<MiniValue>,
    has_more: bool,
}

impl Stripe {
    /// Reads up to 100 events of these types, made at `since` or later; the next older ones come `after` what the
    /// page before says. Stripe keeps events for 30 days. <https://docs.stripe.com/api/events/list>
    ///
    /// # Errors
    /// As [`StripeError`] says.
    pub async fn list_events(
        &self,
        types: &[&str],
        since: DateTime<Utc>,
        after: Option<&str>,
    ) -> Result<EventPage, StripeError> {
        let mut query = format!("limit=100&created[gte]={}", since.timestamp());
        for (index, kind) in types.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(query, "&types[{index}]={kind}");
        }
        if let Some(id) = after {
            let _ = write!(query, "&starting_after={id}");
        }
        let mut request = RequestBuilder::new(StripeMethod::Get, "/events");
        request.query = Some(query);
        let list = request.customize::<List>().send(self).await?;
        let events = list.data.iter().map(|event| {
            serde_json::from_str(&miniserde::json::to_string(event))
                .map_err(|_| StripeError::Unreadable)
        });
        let events: Vec<Value> = events.collect::<Result<_, _>>()?;
        let last = events.last().and_then(|event| event.get("id")?.as_str());
        Ok(EventPage {
            next: last.filter(|_| list.has_more).map(str::to_owned),
            events,
        })
    }
}
