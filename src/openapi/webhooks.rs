//! The events that Stripe and Clerk deliver: how they are signed, which of them matter, what they look like.

use serde_json::{Value, json};
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::schema::{AdditionalProperties, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ObjectBuilder, OpenApi, PathItem, PathsBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::webhooks::stripe::EVENT_TYPES;

/// The events of Stripe's that are worked on; the rest is stored and ignored.
pub const STRIPE_EVENTS: &[&str] = &EVENT_TYPES;

/// The events of Clerk's that are worked on.
pub const CLERK_EVENTS: &[&str] = &["user.created", "user.updated", "user.deleted"];

/// The tag of what is delivered, beside that of the operations which receive it: generators write a file for each tag.
pub const DELIVERIES: &str = "Deliveries";

/// The name of the scheme with which Stripe signs; before `session` in the alphabet, because the dialog of Swagger UI opens
/// at the last one, and that is where people paste their token.
pub const STRIPE_SIGNATURE: &str = "deliveryStripe";
/// The name of the scheme with which Clerk signs.
pub const CLERK_SIGNATURE: &str = "deliveryClerk";

/// The two schemes of signatures.
pub fn security_schemes() -> [(&'static str, SecurityScheme); 2] {
    let in_header = |header: &str, description: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            header,
            description,
        )))
    };
    [
        (
            STRIPE_SIGNATURE,
            in_header(
                "Stripe-Signature",
                "Stripe's signature over the raw body: `t=<seconds>,v1=<hex HMAC-SHA-256>`.",
            ),
        ),
        (
            CLERK_SIGNATURE,
            in_header(
                "svix-signature",
                "Svix's signature over `svix-id`, `svix-timestamp` and the raw body: `v1,<base64 HMAC-SHA-256>`.",
            ),
        ),
    ]
}

/// What Stripe delivers.
pub struct StripeEvent;

impl PartialSchema for StripeEvent {
    fn schema() -> RefOr<Schema> {
        let example = json!({
            "id": "evt_1Pgc76B7WZ01zgkWwyRHS12y",
            "object": "event",
            "type": "checkout.session.completed",
            "created": 1_795_422_600,
            "livemode": false,
            "data": { "object": { "id": "cs_test_a1B2c3", "object": "checkout.session", "status": "complete", "payment_status": "paid" } },
        });
        event(
            "An event as Stripe sends it, of any API version. Thin events (`v2.core.event`) are understood too.",
            STRIPE_EVENTS,
            &["id", "type"],
            example,
        )
    }
}

impl ToSchema for StripeEvent {}

/// What Clerk delivers.
pub struct ClerkEvent;

impl PartialSchema for ClerkEvent {
    fn schema() -> RefOr<Schema> {
        let example = json!({
            "object": "event",
            "type": "user.created",
            "data": { "id": "user_29w83sxmDNGwOuEthce5gg56FcC", "first_name": "Ada", "last_name": "Lovelace", "updated_at": 1_795_422_600_000_i64 },
        });
        event(
            "An event as Clerk sends it. Its id is the header `svix-id`.",
            CLERK_EVENTS,
            &["type"],
            example,
        )
    }
}

impl ToSchema for ClerkEvent {}

fn event(description: &str, used: &[&str], required: &[&str], example: Value) -> RefOr<Schema> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let kinds = format!(
        "Used are `{}`; others are stored and ignored.",
        used.join("`, `")
    );
    let mut schema = ObjectBuilder::new()
        .description(Some(description))
        .property("type", text().description(Some(kinds)))
        .property(
            "data",
            ObjectBuilder::new()
                .description(Some("What the event is about."))
                .additional_properties(Some(AdditionalProperties::FreeForm(true))),
        )
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .examples([example]);
    if required.contains(&"id") {
        schema = schema.property("id", text().description(Some("At most 255 characters.")));
    }
    for name in required {
        schema = schema.required(*name);
    }
    schema.into()
}

/// Describes each delivery from the sender's side as well: the operation that receives it, under the name of who sends.
pub fn describe(document: &mut OpenApi) {
    let senders = [
        (
            "stripe",
            "/v1/webhooks/stripe",
            "stripeEvent",
            "Stripe delivers an event",
        ),
        (
            "clerk",
            "/v1/webhooks/clerk",
            "clerkEvent",
            "Clerk delivers an event",
        ),
    ];
    let mut webhooks = PathsBuilder::new();
    for (name, path, id, summary) in senders {
        let receiver = document
            .paths
            .paths
            .get(path)
            .and_then(|item| item.post.clone());
        if let Some(receiver) = receiver {
            webhooks = webhooks.path(
                name,
                PathItem::new(HttpMethod::Post, delivery(receiver, id, summary)),
            );
        }
    }
    document.webhooks = Some(webhooks.build());
}

fn delivery(mut receiver: Operation, id: &str, summary: &str) -> Operation {
    receiver.operation_id = Some(id.to_owned());
    receiver.summary = Some(summary.to_owned());
    receiver.tags = Some(vec![DELIVERIES.to_owned()]);
    receiver
}
