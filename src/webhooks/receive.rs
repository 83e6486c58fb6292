//! The doors: verify the raw bytes, store the event in the inbox, commit, answer. The work is done afterwards.

use actix_web::{HttpRequest, HttpResponse, post, web};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::needed;
use super::signature::{SignatureError, StandardHeaders, verify_standard, verify_stripe};
use crate::app::AppState;
use crate::domain::enums::WebhookProvider;
use crate::handlers::private;
use crate::http::raw_body::RawBody;
use crate::openapi::webhooks::{ClerkEvent, StripeEvent};
use crate::problem::{Code, Problem};
use crate::repositories::webhook_event::{self, NewWebhookEvent};

/// The event is stored; nothing is owed to the sender any more.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookReceipt)]
pub struct Received {
    received: bool,
}

/// What every event says of itself. The rest is read when it is worked on.
#[derive(Deserialize)]
struct Envelope {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
}

/// Receive a Stripe event
///
/// Signed with the endpoint's secret (`Stripe-Signature`). Deliveries may come twice and in any order.
#[utoipa::path(
    tag = "Webhooks", operation_id = "receiveStripeEvent", request_body(content = StripeEvent, description = "The event, byte for byte as it was signed."), security(("deliveryStripe" = [])),
    responses((status = 200, description = "The event is stored.", body = Received), (status = 400, description = "bad-signature"))
)]
#[post("/v1/webhooks/stripe")]
pub async fn stripe(
    request: HttpRequest,
    state: web::Data<AppState>,
    RawBody(body): RawBody,
) -> Result<HttpResponse, Problem> {
    let header = request
        .headers()
        .get("stripe-signature")
        .map(|value| value.as_bytes());
    verify_stripe(
        &state.config.stripe.webhook_secrets,
        header,
        &body,
        Utc::now(),
    )
    .map_err(|error| refused(&state, WebhookProvider::Stripe, error))?;
    store(&state, signed_stripe_event(&body)?).await
}

/// Receive a Clerk event
///
/// Signed by Svix (`svix-id`, `svix-timestamp`, `svix-signature`; the Standard Webhooks names are accepted too).
/// Deliveries may come twice and in any order.
#[utoipa::path(
    tag = "Webhooks", operation_id = "receiveClerkEvent", request_body(content = ClerkEvent, description = "The event, byte for byte as it was signed."), security(("deliveryClerk" = [])),
    params(
        ("svix-id" = String, Header, description = "The delivery's id.", example = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
        ("svix-timestamp" = String, Header, description = "Seconds since 1970.", example = "1795422600"),
    ),
    responses((status = 200, description = "The event is stored.", body = Received), (status = 400, description = "bad-signature"))
)]
#[post("/v1/webhooks/clerk")]
pub async fn clerk(
    request: HttpRequest,
    state: web::Data<AppState>,
    RawBody(body): RawBody,
) -> Result<HttpResponse, Problem> {
    let headers =
        StandardHeaders::find(|name| request.headers().get(name).map(|value| value.as_bytes()));
    let secrets = &state.config.clerk.webhook_secrets;
    let event_id = verify_standard(secrets, headers, &body, Utc::now())
        .map_err(|error| refused(&state, WebhookProvider::Clerk, error))?
        .to_owned();
    store(&state, signed_clerk_event(event_id, &body)?).await
}

fn refused(state: &AppState, provider: WebhookProvider, error: SignatureError) -> Problem {
    state.metrics.signature_refused(provider, error);
    tracing::warn!(%error, "webhook refused");
    Problem::new(Code::BadSignature)
}

fn parse(body: &[u8]) -> Result<(Envelope, Value), Problem> {
    let malformed =
        |_| Problem::new(Code::MalformedRequest).detail("The signed body is not an event in JSON.");
    let payload = serde_json::from_slice(body).map_err(malformed)?;
    read(payload).map_err(malformed)
}

/// What an event says of itself, and the event as the database can hold it.
fn read(mut payload: Value) -> Result<(Envelope, Value), serde_json::Error> {
    remove_nul(&mut payload);
    let envelope = Envelope::deserialize(&payload)?;
    Ok((envelope, payload))
}

/// A body that Stripe has signed, as the inbox takes it.
///
/// # Errors
/// 400 when it is no event.
pub fn signed_stripe_event(body: &[u8]) -> Result<NewWebhookEvent, Problem> {
    let (envelope, payload) = parse(body)?;
    stripe_event(envelope, &payload)
        .ok_or_else(|| Problem::new(Code::MalformedRequest).detail("The event has no id."))
}

/// A body that Clerk has signed under this id, as the inbox takes it.
///
/// # Errors
/// 400 when it is no event.
pub fn signed_clerk_event(event_id: String, body: &[u8]) -> Result<NewWebhookEvent, Problem> {
    let (envelope, payload) = parse(body)?;
    Ok(NewWebhookEvent {
        provider: WebhookProvider::Clerk,
        event_id,
        kind: envelope.kind,
        payload,
    })
}

/// A Stripe event as the inbox takes it; `None` without an id.
fn stripe_event(envelope: Envelope, payload: &Value) -> Option<NewWebhookEvent> {
    Some(NewWebhookEvent {
        provider: WebhookProvider::Stripe,
        event_id: envelope.id?,
        kind: envelope.kind,
        payload: needed::of_event(payload),
    })
}

/// An event from Stripe's own list, as the inbox takes it; `None` when it is not an event.
pub fn listed_stripe_event(payload: Value) -> Option<NewWebhookEvent> {
    let (envelope, payload) = read(payload).ok()?;
    stripe_event(envelope, &payload)
}

/// Postgres stores no NUL in text, and nobody's name needs one.
fn remove_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(values) => values.iter_mut().for_each(remove_nul),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                fields.retain(|name, _| !name.contains('\0'));
            }
            fields.values_mut().for_each(remove_nul);
        }
        _ => {}
    }
}

/// Far longer than any provider's id, and short enough for an index.
const EVENT_ID_LIMIT: usize = 255;

async fn store(state: &AppState, new: NewWebhookEvent) -> Result<HttpResponse, Problem> {
    if new.event_id.len() > EVENT_ID_LIMIT {
        return Err(Problem::new(Code::MalformedRequest).detail("The event's id is too long."));
    }
    tracing::info!(
        provider = new.provider.label(),
        event_id = new.event_id,
        kind = new.kind,
        "webhook received"
    );
    state
        .db
        .read_patiently(move |conn| Ok(webhook_event::store(conn, &new)?))
        .await?;
    state.ring_if_deaf();
    Ok(private(&Received { received: true }))
}
