//! What buyers' banks do about payments, for the owner.

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
use crate::handlers::private;
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::problem::Problem;
use crate::repositories::dispute::{self, DisputeFilter, DisputeRow};

/// A dispute. While it is open (`needs_response`, `under_review`) and once it is `lost`, the purchase gives no access
/// and cannot be refunded; an inquiry (`warning_...`) changes nothing. It is answered in Stripe's dashboard.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dispute {
    pub id: Uuid,
    pub purchase_id: Uuid,
    /// In the currency's smallest unit.
    #[schema(minimum = 0, example = 4900)]
    pub amount_in_cents: i32,
    #[schema(example = "usd")]
    pub currency: String,
    /// In Stripe's words: `warning_needs_response`, `warning_under_review`, `warning_closed`, `needs_response`,
    /// `under_review`, `won`, `lost`, `prevented`, and what Stripe may add.
    #[schema(example = "needs_response")]
    pub status: String,
    /// In Stripe's words.
    #[schema(example = "fraudulent")]
    pub reason: String,
    /// Until when evidence is taken; null when none is.
    #[schema(required = true)]
    pub evidence_due_at: Option<Timestamp>,
    /// The dispute at Stripe.
    #[schema(example = "dp_1Pgc71B7WZ01zgkWMevJiAUx")]
    pub stripe_dispute_id: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<DisputeRow> for Dispute {
    fn from(row: DisputeRow) -> Self {
        Self {
            id: row.id,
            purchase_id: row.purchase_id,
            amount_in_cents: row.amount_in_cents,
            currency: row.currency,
            status: row.status,
            reason: row.reason,
            evidence_due_at: row.evidence_due_at.map(Timestamp),
            stripe_dispute_id: row.stripe_dispute_id,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// Which disputes, and which page of them.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DisputesQuery {
    /// Of this purchase.
    #[garde(skip)]
    purchase_id: Option<Uuid>,
    /// In Stripe's words, such as `needs_response`.
    #[garde(dive)]
    #[param(inline)]
    status: Option<SearchText>,
    /// Not before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    from: Option<Moment>,
    /// Before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    to: Option<Moment>,
}

/// List disputes
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminListDisputes", params(DisputesQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of disputes, newest first.", body = Page<Dispute>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/disputes")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<DisputesQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "admin/disputes -createdAt";
    let after = place::<DateTime<Utc>>(asked.cursor.as_deref(), SORT)?;
    let filter = DisputeFilter {
        purchase_id: query.purchase_id,
        status: query.status.map(Into::into),
        from: query.from.map(|moment| moment.0),
        to: query.to.map(|moment| moment.0),
    };
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| Ok(dispute::page(conn, &filter, after, size)?))
        .await?;
    let page = Page::new(found, SORT, |row| (row.created_at, row.id), Dispute::from)?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

/// Show a dispute
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminGetDispute", params(("id" = Uuid, Path, description = "The dispute.")), security(("session" = [])),
    responses((status = 200, description = "The dispute.", body = Dispute))
)]
#[get("/v1/admin/disputes/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let row = state
        .db
        .read(move |conn| Ok(dispute::find(conn, *id)?))
        .await?;
    Ok(private(&Dispute::from(row)))
}
