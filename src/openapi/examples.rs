//! Examples of bodies, made from the schemas themselves, so that a new operation has them without being told.

use serde_json::{Map, Value, json};
use utoipa::openapi::{Components, RefOr, Schema};
use uuid::Uuid;

/// The named schemas of a document, as JSON.
pub struct Examples(Value);

/// Deeper than any schema nests, unless it holds itself.
const DEPTH: usize = 16;

/// What is null more often than not, so that an example reads like an ordinary answer.
const USUALLY_NULL: [&str; 8] = [
    "deletedAt",
    "endedAt",
    "endedBecause",
    "errors",
    "lastError",
    "quote",
    "refundedAt",
    "url",
];

impl Examples {
    /// Reads the named schemas.
    pub fn new(components: &Components) -> Self {
        Self(serde_json::to_value(&components.schemas).unwrap_or_default())
    }

    /// A value that a schema accepts: its own example where it has one.
    pub fn of(&self, schema: &RefOr<Schema>) -> Value {
        let schema = serde_json::to_value(schema).unwrap_or_default();
        self.value("", "", &schema, DEPTH)
    }

    /// The first field of a schema, with which an error can be shown.
    pub fn a_field_of(&self, schema: &RefOr<Schema>) -> Option<String> {
        let required = self.of(schema).as_object()?.keys().next().cloned();
        required.map(|name| format!("/{name}"))
    }

    /// `owner` is the thing that has the field.
    fn value(&self, owner: &str, field: &str, schema: &Value, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else {
            return Value::Null;
        };
        let is_not_yet = (owner, field) == ("CheckoutSession", "purchaseId");
        if is_nullable(schema) && (USUALLY_NULL.contains(&field) || is_not_yet) {
            return Value::Null;
        }
        let own = [schema.get("example"), schema.pointer("/examples/0")];
        if let Some(own) = own.into_iter().flatten().next() {
            return own.clone();
        }
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().unwrap_or(name);
            let named = self.0.get(name).unwrap_or(&Value::Null);
            let owner = if kind(named) == "object" || list(named, "allOf").is_some() {
                name
            } else {
                owner
            };
            return self.value(owner, field, named, depth);
        }
        if let Some(parts) = list(schema, "allOf") {
            let parts = parts
                .iter()
                .map(|part| self.value(owner, field, part, depth));
            let fields = parts.filter_map(|part| part.as_object().cloned()).flatten();
            return Value::Object(fields.collect());
        }
        if let Some(choices) = list(schema, "oneOf").or_else(|| list(schema, "anyOf")) {
            let choice = choices.iter().find(|choice| !is_nullable(choice));
            return choice.map_or(Value::Null, |choice| {
                self.value(owner, field, choice, depth)
            });
        }
        if let Some(first) = schema.pointer("/enum/0") {
            return first.clone();
        }
        match kind(schema) {
            "object" => self.object(owner, field, schema, depth),
            "array" => {
                let items = schema.get("items").unwrap_or(&Value::Null);
                json!([self.value(owner, field, items, depth)])
            }
            "string" => text(owner, field, schema),
            "integer" | "number" => number(field, schema),
            "boolean" => json!(!matches!(field, "completed" | "owned")),
            _ => json!({}),
        }
    }

    fn object(&self, owner: &str, field: &str, schema: &Value, depth: usize) -> Value {
        let fields = schema.get("properties").and_then(Value::as_object);
        let is_list = fields.is_some_and(|fields| fields.contains_key("nextCursor"));
        let fields = fields.into_iter().flatten().filter_map(|(name, schema)| {
            let value = if is_list && matches!(name.as_str(), "nextCursor" | "total") {
                Value::Null
            } else {
                self.value(
                    owner,
                    if name == "data" { field } else { name },
                    schema,
                    depth,
                )
            };
            let is_left_out = value.is_null() && !is_nullable(schema);
            (!is_left_out).then(|| (name.clone(), value))
        });
        let required = list(schema, "required").unwrap_or_default();
        let leaves_out = |name: &str| {
            USUALLY_NULL.contains(&name) && !required.iter().any(|known| known == name)
        };
        let fields: Map<_, _> = fields.filter(|(name, _)| !leaves_out(name)).collect();
        Value::Object(fields)
    }
}

fn list<'a>(schema: &'a Value, keyword: &str) -> Option<&'a [Value]> {
    schema.get(keyword)?.as_array().map(Vec::as_slice)
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(is_null),
        Some(kind) => is_null(kind),
        None => list(schema, "oneOf").is_some_and(|choices| choices.iter().any(is_nullable)),
    }
}

/// The type, without the null that may stand beside it.
fn kind(schema: &Value) -> &str {
    let kinds = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.as_slice(),
        Some(kind) => std::slice::from_ref(kind),
        None => &[],
    };
    let mut kinds = kinds.iter().filter_map(Value::as_str);
    kinds.find(|kind| *kind != "null").unwrap_or_default()
}

fn text(owner: &str, field: &str, schema: &Value) -> Value {
    match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => return json!(id(owner, field)),
        Some("date-time") => return json!("2026-11-23T08:30:00.000Z"),
        _ => {}
    }
    json!(match field {
        "name" if owner.ends_with("User") => "Ada Lovelace",
        "name" if owner.contains("Section") => "Getting started",
        "name" if owner.contains("Lesson") => "Your first handler",
        "name" | "courseName" => "Rust for the Web",
        "clientSecret" => "cs_test_a1B2c3_secret_d4E5f6",
        "description" => "From the first handler to production.",
        "detail" | "explanation" =>
            "There is nothing at this address, or nothing that the caller may see.",
        "email" => "ada@example.com",
        "imageUrl" => "/images/rust.png",
        "receiptUrl" => "https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdA",
        "url" => "https://checkout.stripe.com/c/pay/cs_test_a1B2c3",
        "cardCountry" | "country" => "IN",
        "flags" => "duplicate",
        "reason" => "Prize of the spring raffle",
        "requestId" => "54b2df92-0b16-4e56-b673-2a0154b4396b",
        "parameter" => "limit",
        _ => "text",
    })
}

fn number(field: &str, schema: &Value) -> Value {
    let likely: i64 = match field {
        name if name.ends_with("InCents") => 4900,
        name if name.ends_with("Count") => 3,
        "percent" | "percentOff" => 50,
        _ => 1,
    };
    let bound = |keyword| schema.get(keyword).and_then(Value::as_i64);
    let at_most = likely.min(bound("maximum").unwrap_or(i64::MAX));
    json!(at_most.max(bound("minimum").unwrap_or(i64::MIN)))
}

/// The id in a path that stands behind the collection of such things: what the bodies' examples have for one of them.
pub fn id_in_path(path: &str, parameter: &str) -> Option<Uuid> {
    let (before, _) = path.split_once(&format!("/{{{parameter}}}"))?;
    let collection = before.rsplit(['/', '-']).next()?;
    Some(id("", collection))
}

/// An id for each name of a field: the same everywhere, so that one example's `productId` is another's `id`.
fn id(owner: &str, field: &str) -> Uuid {
    const THINGS: [&str; 10] = [
        "Product", "Course", "Section", "Lesson", "Session", "User", "Grant", "Refund", "Dispute",
        "Event",
    ];
    let own = THINGS.into_iter().find(|thing| owner.contains(thing));
    let name = match (field, own) {
        ("id", Some(own)) => own.to_lowercase(),
        ("id", None) => "purchase".to_owned(),
        ("ids", _) => "lesson".to_owned(),
        (field, _) => field
            .trim_end_matches('s')
            .trim_end_matches("Id")
            .to_lowercase(),
    };
    let seed = name.bytes().chain(1..);
    let mut state = 0x811c_9dc5_u32;
    let mut bytes = [0; 16];
    for (byte, input) in bytes.iter_mut().zip(seed) {
        state = (state ^ u32::from(input)).wrapping_mul(0x0100_0193);
        *byte = state.to_le_bytes()[1];
    }
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
