//! What a product costs the caller now.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Named, private};
use crate::app::AppState;
use crate::auth::extractors::MaybeUser;
use crate::commerce::offer::{Offer, Price};
use crate::http::country;
use crate::problem::Problem;
use crate::repositories::{product, purchase, user_course_access};

/// A price, and what the caller has of the product already. Amounts are in the currency's smallest unit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    #[schema(minimum = 0, example = 4900)]
    pub subtotal_in_cents: i32,
    #[schema(minimum = 0, maximum = 100, example = 0)]
    pub percent_off: i32,
    #[schema(minimum = 0, example = 0)]
    pub discount_in_cents: i32,
    #[schema(minimum = 0, example = 4900)]
    pub total_in_cents: i32,
    #[schema(example = "usd")]
    pub currency: String,
    /// The country whose discount applies, ISO 3166-1 alpha-2.
    #[schema(required = true)]
    pub country: Option<String>,
    /// Whether the caller has bought the product; false when anonymous.
    pub owned: bool,
    /// Courses of the product that the caller holds already; empty when anonymous.
    pub overlap: Vec<Named>,
}

impl Quote {
    /// Puts a price and what the caller holds together.
    pub fn new(price: &Price, owned: bool, overlap: Vec<(Uuid, String)>) -> Self {
        Self {
            subtotal_in_cents: price.subtotal_in_cents,
            percent_off: price.percent_off,
            discount_in_cents: price.discount_in_cents,
            total_in_cents: price.total_in_cents,
            currency: price.currency.as_str().to_owned(),
            country: price.country.clone(),
            owned,
            overlap: overlap
                .into_iter()
                .map(|(id, name)| Named { id, name })
                .collect(),
        }
    }
}

/// Ask for the price
#[utoipa::path(
    tag = "Shop", operation_id = "getQuote", params(("id" = Uuid, Path, description = "The product.")), security((), ("session" = [])),
    responses((status = 200, description = "The price for the caller.", body = Quote))
)]
#[get("/v1/products/{id}/quote")]
pub async fn show(
    request: HttpRequest,
    MaybeUser(user): MaybeUser,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let currency = state.config.currency.clone();
    let country = country::of(&request, &state.config);
    let quote = state
        .db
        .read(move |conn| {
            let product = product::find_on_sale(conn, *id)?;
            let offer = Offer::of(conn, product, country, &currency)?;
            let Some(user) = user else {
                return Ok(Quote::new(&offer.price, false, Vec::new()));
            };
            let owned = purchase::is_owned(conn, user.id(), offer.product.id)?;
            let overlap = user_course_access::overlap(conn, user.id(), &offer.course_ids)?;
            Ok(Quote::new(&offer.price, owned, overlap))
        })
        .await?;
    Ok(private(&quote))
}
