//! What of Stripe's events is kept: what the store reads, and so nothing personal. Names, addresses and cards stay
//! at Stripe.

use serde_json::{Map, Value};

use super::stripe::id_of;
use crate::providers::stripe::{CHECKOUT_ID, REFUND_ID};

const OF_EVENT: [&str; 8] = [
    "id",
    "object",
    "type",
    "api_version",
    "created",
    "livemode",
    "account",
    "related_object",
];
const OF_OBJECT: [&str; 12] = [
    "id",
    "object",
    "created",
    "livemode",
    "status",
    "payment_status",
    "amount",
    "amount_total",
    "amount_refunded",
    "currency",
    "reason",
    "failure_reason",
];
/// Other objects, of which the id is enough.
const REFERENCES: [&str; 2] = ["payment_intent", "charge"];
const OF_METADATA: [&str; 2] = [CHECKOUT_ID, REFUND_ID];

/// The event without the rest.
pub fn of_event(event: &Value) -> Value {
    let mut kept = pick(event, &OF_EVENT);
    if let Some(object) = event.pointer("/data/object") {
        let data = Map::from_iter([("object".to_owned(), of_object(object))]);
        kept.insert("data".to_owned(), Value::Object(data));
    }
    Value::Object(kept)
}

fn of_object(object: &Value) -> Value {
    let mut kept = pick(object, &OF_OBJECT);
    let mut keep = |name: &str, value: Value| kept.insert(name.to_owned(), value);
    for name in REFERENCES {
        if let Some(reference) = object.get(name) {
            keep(name, id_of(reference).map_or(Value::Null, Value::String));
        }
    }
    if let Some(metadata) = object.get("metadata") {
        keep("metadata", Value::Object(pick(metadata, &OF_METADATA)));
    }
    if let Some(due_by) = object.pointer("/evidence_details/due_by") {
        keep("evidence_details", serde_json::json!({ "due_by": due_by }));
    }
    if let Some(Value::Array(refunds)) = object.pointer("/refunds/data") {
        let refunds: Vec<Value> = refunds.iter().map(of_object).collect();
        keep("refunds", serde_json::json!({ "data": refunds }));
    }
    Value::Object(kept)
}

fn pick(value: &Value, names: &[&str]) -> Map<String, Value> {
    let fields = names.iter().filter_map(|name| {
        let field = value.get(name)?;
        Some(((*name).to_owned(), field.clone()))
    });
    fields.collect()
}
