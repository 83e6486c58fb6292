//! Checkout sessions: opening, watching and canceling one.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use garde::Validate;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{created, private};
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::commerce::checkout::{self as commerce, Order};
use crate::commerce::close;
use crate::domain::enums::{CheckoutStatus, CheckoutUiMode};
use crate::domain::time::Timestamp;
use crate::http::country;
use crate::http::json::Json;
use crate::http::prefer;
use crate::problem::Problem;
use crate::repositories::checkout::{self, CheckoutWithPurchase};

/// A checkout and what the buyer agreed to. Amounts are in the currency's smallest unit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutSession {
    pub id: Uuid,
    pub status: SessionStatus,
    pub product_id: Uuid,
    pub ui_mode: CheckoutUiMode,
    /// For Stripe.js, with `embedded` and `elements`, while the checkout is open.
    #[schema(required = true)]
    pub client_secret: Option<String>,
    /// Where to send the buyer, with `hosted`, while the checkout is open.
    #[schema(required = true)]
    pub url: Option<String>,
    #[schema(minimum = 0, example = 4900)]
    pub subtotal_in_cents: i32,
    #[schema(minimum = 0, example = 0)]
    pub discount_in_cents: i32,
    #[schema(minimum = 0, example = 4900)]
    pub total_in_cents: i32,
    #[schema(example = "usd")]
    pub currency: String,
    /// The purchase, once it is fulfilled.
    #[schema(required = true)]
    pub purchase_id: Option<Uuid>,
    /// Until when it can be paid.
    pub expires_at: Timestamp,
}

/// Where a checkout stands. It moves from `open`, perhaps over `processing`, to one of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CheckoutSessionStatus)]
pub enum SessionStatus {
    Open,
    /// The buyer is done; the money is on its way.
    Processing,
    /// The purchase is made, the access given.
    Fulfilled,
    Failed,
    Expired,
    Canceled,
}

impl From<CheckoutStatus> for SessionStatus {
    fn from(status: CheckoutStatus) -> Self {
        match status {
            // A step of ours that clients need not know: the next request opens it at Stripe.
            CheckoutStatus::Creating | CheckoutStatus::Open => Self::Open,
            CheckoutStatus::Processing => Self::Processing,
            CheckoutStatus::Fulfilled => Self::Fulfilled,
            CheckoutStatus::Failed => Self::Failed,
            CheckoutStatus::Expired => Self::Expired,
            CheckoutStatus::Canceled => Self::Canceled,
        }
    }
}

impl From<CheckoutWithPurchase> for CheckoutSession {
    fn from((row, purchase_id): CheckoutWithPurchase) -> Self {
        let is_open = row.status == CheckoutStatus::Open;
        Self {
            id: row.id,
            status: row.status.into(),
            product_id: row.product_id,
            client_secret: row
                .client_secret
                .filter(|_| is_open && row.ui_mode != CheckoutUiMode::Hosted),
            url: row
                .url
                .filter(|_| is_open && row.ui_mode == CheckoutUiMode::Hosted),
            ui_mode: row.ui_mode,
            subtotal_in_cents: row.subtotal_in_cents,
            discount_in_cents: row.discount_in_cents,
            total_in_cents: row.total_in_cents,
            currency: row.currency,
            purchase_id,
            expires_at: row.expires_at.into(),
        }
    }
}

/// What to buy, and how Stripe's form is shown. Price and buyer come from the database and the token.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCheckoutSession {
    #[garde(skip)]
    product_id: Uuid,
    #[garde(skip)]
    ui_mode: CheckoutUiMode,
    /// Where the buyer goes afterwards: an absolute URL of one of the store's frontends. `{CHECKOUT_ID}` in it
    /// becomes this checkout's id.
    #[garde(length(chars, max = 2000))]
    #[schema(
        max_length = 2000,
        example = "http://localhost:5173/checkout/{CHECKOUT_ID}"
    )]
    return_url: String,
    /// The total that the buyer was shown; when it is no longer right, the answer is 409 `price-changed` with the
    /// new quote.
    #[garde(range(min = 0, max = 99_999_999))]
    #[schema(minimum = 0, maximum = 99_999_999, example = 4900)]
    expected_total_in_cents: Option<i32>,
}

/// Open a checkout
///
/// Freezes the offer and opens a Stripe checkout session for it. While the buyer's checkout of the product is open
/// and nothing about it changed, the same one is returned, however often this is called.
#[utoipa::path(
    tag = "Shop", operation_id = "createCheckoutSession", security(("session" = [])), request_body = CreateCheckoutSession,
    responses(
        (status = 201, description = "The checkout.", body = CheckoutSession, headers(("Location" = String, description = "Its address."))),
        (status = 403, description = "impersonation-forbidden"),
        (status = 404, description = "not-found"),
        (status = 409, description = "already-owned, price-changed, product-free, payment-refused, conflict"),
        (status = 422, description = "below-minimum-charge"),
        (status = 503, description = "payment-provider-unavailable"),
    )
)]
#[post("/v1/checkout/sessions")]
pub async fn create(
    request: HttpRequest,
    user: CurrentUser,
    state: web::Data<AppState>,
    Json(input): Json<CreateCheckoutSession>,
) -> Result<HttpResponse, Problem> {
    user.in_person()?;
    commerce::check_return_url(&state, &input.return_url)?;
    let order = Order {
        product_id: input.product_id,
        ui_mode: input.ui_mode,
        return_url: input.return_url,
        country: country::of(&request, &state.config),
        expected_total_in_cents: input.expected_total_in_cents,
    };
    let session = CheckoutSession::from(commerce::open(&state, user.row(), order).await?);
    Ok(created(
        &format!("/v1/checkout/sessions/{}", session.id),
        &session,
    ))
}

/// How often Stripe is asked while a request waits: a webhook usually comes first.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Watch a checkout
///
/// Asks Stripe while the checkout is open, so that a lost webhook delays nobody. With `Prefer: wait=20`, the answer
/// waits for the status to change, at most so many seconds.
#[utoipa::path(
    tag = "Shop", operation_id = "getCheckoutSession", security(("session" = [])),
    params(
        ("id" = Uuid, Path, description = "The checkout."),
        ("Prefer" = Option<String>, Header, description = "`wait=<seconds>`, at most 30 (RFC 7240).", example = "wait=20"),
    ),
    responses((status = 200, description = "The checkout.", body = CheckoutSession))
)]
#[get("/v1/checkout/sessions/{id}")]
pub async fn show(
    request: HttpRequest,
    user: CurrentUser,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let (id, user_id) = (*id, user.id());
    let wait = prefer::wait(request.headers());
    let deadline = Instant::now() + wait.unwrap_or_default();
    let read = || {
        state
            .db
            .read(move |conn| Ok(checkout::find_of_user(conn, id, user_id)?))
    };
    let mut current = read().await?;
    let before = SessionStatus::from(current.0.status);
    let mut next_look = Instant::now();
    while current.0.status.is_live() {
        // Listening starts before asking, so that no change falls in between.
        let changed = state.checkout_changed.notified();
        if Instant::now() >= next_look {
            close::refresh(&state, &current.0).await?;
            next_look = Instant::now() + ASK_AGAIN;
        }
        current = read().await?;
        if SessionStatus::from(current.0.status) != before || Instant::now() >= deadline {
            break;
        }
        // Rung for any checkout: it is a reason to read again, not to ask Stripe again.
        let _ = timeout_at(next_look.min(deadline), changed).await;
    }
    let mut response = private(&CheckoutSession::from(current));
    prefer::applied(&mut response, wait);
    Ok(response)
}

/// Cancel a checkout
///
/// Expires it at Stripe, so that it cannot be paid any more.
#[utoipa::path(
    tag = "Shop", operation_id = "cancelCheckoutSession", params(("id" = Uuid, Path, description = "The checkout.")), security(("session" = [])),
    responses(
        (status = 200, description = "The checkout, canceled.", body = CheckoutSession),
        (status = 409, description = "checkout-not-open"),
        (status = 503, description = "payment-provider-unavailable"),
    )
)]
#[post("/v1/checkout/sessions/{id}/cancel")]
pub async fn cancel(
    user: CurrentUser,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let (id, user_id) = (*id, user.id());
    let read = || {
        state
            .db
            .read(move |conn| Ok(checkout::find_of_user(conn, id, user_id)?))
    };
    let (row, _) = read().await?;
    close::cancel(&state, row.id).await?;
    Ok(private(&CheckoutSession::from(read().await?)))
}
