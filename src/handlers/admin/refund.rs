//! Money that goes back, for the owner.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::commerce::refund::{self as refunding, Order};
use crate::domain::enums::RefundStatus;
use crate::domain::text::Reason;
use crate::domain::time::{Moment, Timestamp};
use crate::handlers::{created, private};
use crate::http::json::Json;
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::http::query::Query;
use crate::problem::{Code, Problem};
use crate::repositories::purchase;
use crate::repositories::refund::{self, RefundFilter, RefundRow};

/// Money that went back, or shall.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    pub id: Uuid,
    pub purchase_id: Uuid,
    /// In the currency's smallest unit; 0 for a purchase that cost nothing.
    #[schema(minimum = 0, example = 4900)]
    pub amount_in_cents: i32,
    #[schema(example = "usd")]
    pub currency: String,
    /// `pending` and `succeeded` ones count against what was paid; `failed` and `canceled` ones give the amount back.
    pub status: RefundStatus,
    /// Whether it takes the purchase's access although it may give only a part back.
    pub revoke_access: bool,
    #[schema(required = true)]
    pub reason: Option<String>,
    /// The admin; null when the store itself or Stripe's dashboard made it.
    #[schema(required = true)]
    pub requested_by: Option<Uuid>,
    /// The refund at Stripe; null until Stripe has it, and where no payment is to be given back.
    #[schema(required = true, example = "re_3PgafyB7WZ01zgkW1sjxsAJo")]
    pub stripe_refund_id: Option<String>,
    /// Why it failed, in Stripe's words.
    #[schema(required = true)]
    pub failure_reason: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Self {
        Self {
            id: row.id,
            purchase_id: row.purchase_id,
            amount_in_cents: row.amount_in_cents,
            currency: row.currency,
            status: row.status,
            revoke_access: row.revoke_access,
            reason: row.reason,
            requested_by: row.requested_by,
            stripe_refund_id: row.stripe_refund_id,
            failure_reason: row.failure_reason,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// A refund to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateRefund {
    /// In the currency's smallest unit; all that is left when absent.
    #[garde(inner(range(min = 1, max = 99_999_999)))]
    #[serde(default)]
    #[schema(minimum = 1, maximum = 99_999_999, example = 900)]
    amount_in_cents: Option<i32>,
    /// Takes the access also when only a part goes back. Giving all back always takes it.
    #[garde(skip)]
    #[serde(default)]
    revoke_access: bool,
    /// Kept for the owner. `duplicate`, `fraudulent` and `requested_by_customer` are passed on to Stripe.
    #[garde(dive)]
    #[serde(default)]
    reason: Option<Reason>,
}

/// Refund a purchase
///
/// The refund is committed before Stripe hears of it, and takes amount and access at once; while Stripe cannot be
/// reached it stays `pending` and is made as soon as it can. What no payment stands behind is refunded here alone.
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminCreateRefund", security(("session" = [])), request_body = CreateRefund,
    params(
        ("id" = Uuid, Path, description = "The purchase."),
    ),
    responses(
        (status = 201, description = "The refund.", body = Refund, headers(("Location" = String, description = "Its address."))),
        (status = 400, description = "idempotency-key-required"),
        (status = 409, description = "already-refunded, refund-too-large, purchase-disputed, payment-refused"),
    )
)]
#[post("/v1/admin/purchases/{id}/refunds")]
pub async fn create(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Json(input): Json<CreateRefund>,
) -> Result<HttpResponse, Problem> {
    let ticket = admin.actor.ticket.0.as_ref();
    let key = ticket.ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired))?;
    let order = Order {
        purchase_id: *id,
        amount_in_cents: input.amount_in_cents,
        revoke_access: input.revoke_access,
        reason: input.reason.map(Into::into),
        requested_by: admin.user.id(),
        idempotency_key: key.key.clone(),
    };
    let refund = Refund::from(refunding::request(&state, admin.actor, order).await?);
    Ok(created(
        &format!("/v1/admin/refunds/{}", refund.id),
        &refund,
    ))
}

/// List the refunds of a purchase
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminListRefundsOfPurchase", security(("session" = [])),
    params(("id" = Uuid, Path, description = "The purchase."), PageQuery),
    responses((status = 200, description = "A page of refunds, newest first.", body = Page<Refund>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/purchases/{id}/refunds")]
pub async fn list_of_purchase(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let filter = RefundFilter {
        purchase_id: Some(*id),
        ..RefundFilter::default()
    };
    let page = page(&state, filter, &query).await?;
    if page.data.is_empty() {
        state
            .db
            .read(move |conn| Ok(purchase::buyer(conn, *id)?))
            .await?;
    }
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

/// Which refunds, and which page of them.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RefundsQuery {
    /// Of this purchase.
    #[garde(skip)]
    purchase_id: Option<Uuid>,
    /// Only those with this status.
    #[garde(skip)]
    #[param(inline)]
    status: Option<RefundStatus>,
    /// Not before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    from: Option<Moment>,
    /// Before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    to: Option<Moment>,
}

/// List refunds
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminListRefunds", params(RefundsQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of refunds, newest first.", body = Page<Refund>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/refunds")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<RefundsQuery>,
) -> Result<HttpResponse, Problem> {
    let filter = RefundFilter {
        purchase_id: query.purchase_id,
        status: query.status,
        from: query.from.map(|moment| moment.0),
        to: query.to.map(|moment| moment.0),
    };
    let page = page(&state, filter, &asked).await?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

async fn page(
    state: &AppState,
    filter: RefundFilter,
    asked: &PageQuery,
) -> Result<Page<Refund>, Problem> {
    const SORT: &str = "admin/refunds -createdAt";
    let after = place::<DateTime<Utc>>(asked.cursor.as_deref(), SORT)?;
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| Ok(refund::page(conn, &filter, after, size)?))
        .await?;
    Page::new(found, SORT, |row| (row.created_at, row.id), Refund::from)
}

/// Show a refund
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminGetRefund", params(("id" = Uuid, Path, description = "The refund.")), security(("session" = [])),
    responses((status = 200, description = "The refund.", body = Refund))
)]
#[get("/v1/admin/refunds/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let row = state
        .db
        .read(move |conn| Ok(refund::find(conn, *id)?))
        .await?;
    Ok(private(&Refund::from(row)))
}
