//! Purchases: claiming what is free, and the caller's history.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use chrono::{DateTime, Utc};
use diesel::PgConnection;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::private;
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::commerce::offer::ProductDetails;
use crate::commerce::{self, payment};
use crate::domain::enums::RefundStatus;
use crate::domain::time::Timestamp;
use crate::http::answer::Answer;
use crate::http::idempotency::MaybeTicket;
use crate::http::page::{Page, PageQuery, place};
use crate::http::query::Query;
use crate::problem::Problem;
use crate::repositories::purchase::{self, CountedRefund, PurchaseRow, PurchaseStatus};

/// A purchase, as it was made. Amounts are in the currency's smallest unit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Purchase {
    pub id: Uuid,
    pub product_id: Uuid,
    /// The product as it was sold.
    #[schema(value_type = ProductDetails)]
    pub product_details: serde_json::Value,
    pub status: PurchaseStatus,
    #[schema(minimum = 0, example = 4900)]
    pub price_paid_in_cents: i32,
    #[schema(minimum = 0, example = 0)]
    pub refunded_in_cents: i32,
    #[schema(example = "usd")]
    pub currency: String,
    /// How the total comes about.
    pub pricing_rows: Vec<PricingRow>,
    /// Stripe's receipt, when there is one.
    #[schema(required = true)]
    pub receipt_url: Option<String>,
    /// When the whole price had gone back, or was on its way.
    #[schema(required = true)]
    pub refunded_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A line of the bill. The lines before the total add up to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PricingRow {
    pub kind: PricingRowKind,
    #[schema(example = "Subtotal")]
    pub label: String,
    /// Negative where money is taken off or went back.
    #[schema(example = 4900)]
    pub amount_in_cents: i32,
}

/// What a line of the bill is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PricingRowKind {
    Subtotal,
    Discount,
    Refund,
    Total,
}

impl PricingRow {
    fn new(kind: PricingRowKind, label: &str, amount_in_cents: i32) -> Self {
        Self {
            kind,
            label: label.to_owned(),
            amount_in_cents,
        }
    }

    fn of_refund(refund: &CountedRefund) -> Self {
        let label = match refund.status {
            RefundStatus::Pending => "Refund (pending)",
            _ => "Refund",
        };
        Self::new(PricingRowKind::Refund, label, -refund.amount_in_cents)
    }
}

impl From<PurchaseRow> for Purchase {
    fn from(row: PurchaseRow) -> Self {
        let status = row.status();
        let mut pricing_rows = vec![PricingRow::new(
            PricingRowKind::Subtotal,
            "Subtotal",
            row.subtotal_in_cents,
        )];
        if row.discount_in_cents > 0 {
            pricing_rows.push(PricingRow::new(
                PricingRowKind::Discount,
                "Discount",
                -row.discount_in_cents,
            ));
        }
        pricing_rows.extend(row.refunds.0.iter().map(PricingRow::of_refund));
        let total = row.price_paid_in_cents - row.refunded_in_cents;
        pricing_rows.push(PricingRow::new(PricingRowKind::Total, "Total", total));
        Self {
            id: row.id,
            product_id: row.product_id,
            product_details: row.product_details,
            status,
            price_paid_in_cents: row.price_paid_in_cents,
            refunded_in_cents: row.refunded_in_cents,
            currency: row.currency,
            pricing_rows,
            receipt_url: row.receipt_url,
            refunded_at: row.refunded_at.map(Timestamp),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// Claim a free product
///
/// Purchase and access at once; Stripe is not involved.
#[utoipa::path(
    tag = "Shop", operation_id = "claimProduct", params(("id" = Uuid, Path, description = "The product.")), security(("session" = [])),
    responses(
        (status = 201, description = "The purchase.", body = Purchase, headers(("Location" = String, description = "Its address."))),
        (status = 403, description = "impersonation-forbidden"),
        (status = 409, description = "already-owned, product-not-free"),
    )
)]
#[post("/v1/products/{id}/claim")]
pub async fn claim(
    user: CurrentUser,
    ticket: MaybeTicket,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    user.in_person()?;
    let currency = state.config.currency.clone();
    let answer = state
        .db
        .transaction(move |conn| {
            let purchase_id = commerce::claim::claim(conn, user.id(), *id, &currency)?;
            let purchase = Purchase::from(purchase::find(conn, purchase_id)?);
            let answer = Answer::created(&format!("/v1/me/purchases/{purchase_id}"), &purchase)?;
            ticket.keep(conn, &answer)?;
            Ok(answer)
        })
        .await?;
    Ok(answer.into())
}

/// List my purchases
#[utoipa::path(
    tag = "Learn", operation_id = "listMyPurchases", params(PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of the caller's purchases, newest first.", body = Page<Purchase>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/me/purchases")]
pub async fn mine(
    request: HttpRequest,
    user: CurrentUser,
    state: web::Data<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "me/purchases -createdAt";
    let after = place::<DateTime<Utc>>(query.cursor.as_deref(), SORT)?;
    let size = query.size();
    let found = state
        .db
        .read(move |conn| Ok(purchase::page_of_user(conn, user.id(), after, size)?))
        .await?;
    let page = Page::new(found, SORT, |row| (row.created_at, row.id), Purchase::from)?;
    Ok(page.to_response(&request, super::PRIVATE_CACHE))
}

/// Show a purchase of mine
#[utoipa::path(
    tag = "Learn", operation_id = "getMyPurchase", params(("id" = Uuid, Path, description = "The purchase.")), security(("session" = [])),
    responses((status = 200, description = "The purchase.", body = Purchase))
)]
#[get("/v1/me/purchases/{id}")]
pub async fn my_purchase(
    user: CurrentUser,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let (id, user_id) = (*id, user.id());
    let find = move |conn: &mut PgConnection| Ok(purchase::find_of_user(conn, id, user_id)?);
    let mut row = state.db.read(find).await?;
    if payment::freshen_receipt(&state, &row).await {
        row = state.db.read(find).await?;
    }
    Ok(private(&Purchase::from(row)))
}
