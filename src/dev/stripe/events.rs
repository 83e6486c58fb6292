//! Events: a snapshot of every change, kept for the list and queued for the webhook.

use serde_json::{Value, json};

use super::{
    books::{Books, Kind},
    delivery::Pending,
    objects::{new_id, now, with},
};

/// The API version that objects and events are rendered in.
pub(super) const API_VERSION: &str = "2026-09-30.endive";

/// Enters an event about `object` as it is now.
pub(super) fn emit(books: &mut Books, event_type: &str, object: &Value) {
    let id = new_id("evt");
    let event = with(
        books.templates.event.clone(),
        json!({
            "id": id, "created": now(), "type": event_type, "api_version": API_VERSION, "pending_webhooks": 1,
            "data": { "object": object }, "request": books.cause,
        }),
    );
    books.add(Kind::Event, event);
    books.data.pending.push(Pending::new(id));
}
