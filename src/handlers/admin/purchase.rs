//! Sales, for the owner.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::time::{Moment, Timestamp};
use crate::handlers::private;
use crate::handlers::purchase::Purchase;
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::problem::Problem;
use crate::repositories::purchase::{self, PurchaseRow, PurchaseStatus, SalesFilter};

/// A purchase as the owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sale {
    #[serde(flatten)]
    pub purchase: Purchase,
    pub user_id: Uuid,
    /// What to look at, such as `amount-mismatch`, `buyer-deleted`, `duplicate` or `early-fraud-warning`.
    pub flags: Vec<String>,
    /// Where the card is from, ISO 3166-1 alpha-2.
    #[schema(required = true)]
    pub card_country: Option<String>,
    /// The payment at Stripe.
    #[schema(required = true, example = "pi_3PgafyB7WZ01zgkW1sjxsAJo")]
    pub stripe_payment_intent_id: Option<String>,
}

impl From<PurchaseRow> for Sale {
    fn from(row: PurchaseRow) -> Self {
        Self {
            user_id: row.user_id,
            flags: row.flags.iter().flatten().cloned().collect(),
            card_country: row.card_country.clone(),
            stripe_payment_intent_id: row.stripe_payment_intent_id.clone(),
            purchase: row.into(),
        }
    }
}

/// Which sales, and which page of them.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SalesQuery {
    /// Of this person.
    #[garde(skip)]
    user_id: Option<Uuid>,
    /// Of this product.
    #[garde(skip)]
    product_id: Option<Uuid>,
    /// Only those with this status.
    #[garde(skip)]
    #[param(inline)]
    status: Option<PurchaseStatus>,
    /// Not before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    from: Option<Moment>,
    /// Before this time.
    #[garde(skip)]
    #[param(inline, value_type = Option<Timestamp>)]
    to: Option<Moment>,
}

/// List sales
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminListPurchases", params(SalesQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of purchases, newest first.", body = Page<Sale>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/purchases")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<SalesQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "admin/purchases -createdAt";
    let after = place::<DateTime<Utc>>(asked.cursor.as_deref(), SORT)?;
    let filter = SalesFilter {
        user_id: query.user_id,
        product_id: query.product_id,
        status: query.status,
        from: query.from.map(|moment| moment.0),
        to: query.to.map(|moment| moment.0),
    };
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| Ok(purchase::page(conn, &filter, after, size)?))
        .await?;
    let page = Page::new(found, SORT, |row| (row.created_at, row.id), Sale::from)?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

/// Show a sale
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminGetPurchase", params(("id" = Uuid, Path, description = "The purchase.")), security(("session" = [])),
    responses((status = 200, description = "The purchase.", body = Sale))
)]
#[get("/v1/admin/purchases/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let row = state
        .db
        .read(move |conn| Ok(purchase::find(conn, *id)?))
        .await?;
    Ok(private(&Sale::from(row)))
}
