//! The inbox, for the owner: what Stripe and Clerk sent and what became of it, and once more for what went wrong.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::enums::{WebhookEventStatus, WebhookProvider};
use crate::domain::text::SearchText;
use crate::domain::time::{Moment, Timestamp};
use crate::handlers::private;
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::problem::{Code, Problem};
use crate::repositories::webhook_event::{self, WebhookEventFilter, WebhookEventRow};

/// An event that was received. What it says is not shown: it may be personal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEvent {
    pub id: Uuid,
    pub provider: WebhookProvider,
    /// The provider's id: of the event at Stripe, of the message at Clerk.
    #[schema(example = "evt_1PgafyB7WZ01zgkWbjsxAsJo")]
    pub event_id: String,
    #[schema(example = "checkout.session.completed")]
    pub r#type: String,
    /// `received`: not handled yet; `processed`: it has had its effect; `ignored`: none is needed; `dead`: given up
    /// after the last try.
    pub status: WebhookEventStatus,
    /// How often it was worked on.
    #[schema(minimum = 0, example = 1)]
    pub attempts: i32,
    pub received_at: Timestamp,
    #[schema(required = true)]
    pub processed_at: Option<Timestamp>,
    /// Why the last attempt failed, or why the event was ignored.
    #[schema(required = true, example = "events of this type are not used")]
    pub last_error: Option<String>,
}

impl From<WebhookEventRow> for WebhookEvent {
    fn from(row: WebhookEventRow) -> Self {
        Self {
            id: row.id,
            provider: row.provider,
            event_id: row.event_id,
            r#type: row.kind,
            status: row.status,
            attempts: row.attempts,
            received_at: row.created_at.into(),
            processed_at: row.processed_at.map(Timestamp),
            last_error: row.last_error,
        }
    }
}

/// Which events, and which page of them.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WebhookEventsQuery {
    /// From this provider.
    #[garde(skip)]
    #[param(inline)]
    provider: Option<WebhookProvider>,
    /// Only those with this status.
    #[garde(skip)]
    #[param(inline)]
    status: Option<WebhookEventStatus>,
    /// Of this type, such as `checkout.session.completed`.
    #[garde(dive)]
    #[param(inline)]
    r#type: Option<SearchText>,
    /// Not before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    from: Option<Moment>,
    /// Before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    to: Option<Moment>,
}

/// List webhook events
#[utoipa::path(
    tag = "Admin: repair", operation_id = "adminListWebhookEvents", params(WebhookEventsQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of events, the latest received first.", body = Page<WebhookEvent>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/webhook-events")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<WebhookEventsQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "admin/webhook-events -receivedAt";
    let after = place::<DateTime<Utc>>(asked.cursor.as_deref(), SORT)?;
    let filter = WebhookEventFilter {
        provider: query.provider,
        status: query.status,
        kind: query.r#type.map(Into::into),
        from: query.from.map(|moment| moment.0),
        to: query.to.map(|moment| moment.0),
    };
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| Ok(webhook_event::page(conn, &filter, after, size)?))
        .await?;
    let page = Page::new(
        found,
        SORT,
        |row| (row.created_at, row.id),
        WebhookEvent::from,
    )?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

/// Show a webhook event
#[utoipa::path(
    tag = "Admin: repair", operation_id = "adminGetWebhookEvent", params(("id" = Uuid, Path, description = "The event.")), security(("session" = [])),
    responses((status = 200, description = "The event.", body = WebhookEvent))
)]
#[get("/v1/admin/webhook-events/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let row = state
        .db
        .read(move |conn| Ok(webhook_event::find(conn, *id)?))
        .await?;
    Ok(private(&WebhookEvent::from(row)))
}

/// Replay a webhook event
///
/// Has the event worked on again, whatever became of it before: a dead one is revived, one that waits for its next try
/// is due at once, and one that had its effect does not have it twice. The answer shows it `received`; what becomes of
/// it is seen by reading it again. Payloads are kept for some time only (those of Clerk until they are handled), and
/// without its payload an event cannot be replayed.
#[utoipa::path(
    tag = "Admin: repair", operation_id = "adminReplayWebhookEvent", params(("id" = Uuid, Path, description = "The event.")), security(("session" = [])),
    responses(
        (status = 200, description = "The event, to be worked on.", body = WebhookEvent),
        (status = 409, description = "payload-gone"),
    )
)]
#[post("/v1/admin/webhook-events/{id}/replay")]
pub async fn replay(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let id = *id;
    let row = state
        .db
        .change(admin.actor, move |conn| {
            if let Some(row) = webhook_event::replay(conn, id)? {
                return Ok(row);
            }
            webhook_event::find(conn, id)?;
            Err(Problem::new(Code::PayloadGone))
        })
        .await?;
    state.ring_if_deaf();
    Ok(private(&WebhookEvent::from(row)))
}
