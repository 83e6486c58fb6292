//! Who changed what, for the owner.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::text::SearchText;
use crate::domain::time::{Moment, Timestamp};
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::problem::Problem;
use crate::repositories::audit_log::{self, AuditFilter, AuditRow};

/// A change that an admin made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    pub id: Uuid,
    /// The admin; null for the operator at the command line.
    #[schema(required = true)]
    pub actor_id: Option<Uuid>,
    /// Under which the log has the request.
    pub request_id: String,
    /// `create`, `update` or `delete`. A soft deletion is an update of `deleted_at`.
    #[schema(example = "update")]
    pub action: String,
    /// What kind of thing was changed.
    #[schema(example = "product")]
    pub entity: String,
    /// Which one.
    #[schema(required = true)]
    pub entity_id: Option<Uuid>,
    /// The row as it was; null for a creation.
    #[schema(required = true, value_type = Option<serde_json::Value>)]
    pub before: Option<serde_json::Value>,
    /// The row as it is since; null for a deletion.
    #[schema(required = true, value_type = Option<serde_json::Value>)]
    pub after: Option<serde_json::Value>,
    pub created_at: Timestamp,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            actor_id: row.actor_id,
            request_id: row.request_id,
            action: row.action,
            entity: row.entity,
            entity_id: row.entity_id,
            before: row.before,
            after: row.after,
            created_at: row.created_at.into(),
        }
    }
}

/// Which changes, and which page of them.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// By this admin.
    #[garde(skip)]
    actor_id: Option<Uuid>,
    /// Of this kind of thing, such as `product`.
    #[garde(dive)]
    #[param(inline)]
    entity: Option<SearchText>,
    /// Of this one.
    #[garde(skip)]
    entity_id: Option<Uuid>,
    /// Not before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    from: Option<Moment>,
    /// Before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    to: Option<Moment>,
}

/// List changes
#[utoipa::path(
    tag = "Admin: people", operation_id = "adminListAuditLog", params(AuditQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of changes, newest first.", body = Page<AuditEntry>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/audit-log")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<AuditQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "admin/audit-log -createdAt";
    let after = place::<DateTime<Utc>>(asked.cursor.as_deref(), SORT)?;
    let filter = AuditFilter {
        actor_id: query.actor_id,
        entity: query.entity.map(Into::into),
        entity_id: query.entity_id,
        from: query.from.map(|moment| moment.0),
        to: query.to.map(|moment| moment.0),
    };
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| Ok(audit_log::page(conn, &filter, after, size)?))
        .await?;
    let page = Page::new(
        found,
        SORT,
        |row| (row.created_at, row.id),
        AuditEntry::from,
    )?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}
