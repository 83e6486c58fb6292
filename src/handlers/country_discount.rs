//! What is taken off for the caller's country.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::private;
use crate::app::AppState;
use crate::commerce::offer::Discount;
use crate::http::country;
use crate::problem::Problem;

/// The discount by purchasing power that the caller gets on every product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallerDiscount {
    /// The country whose discount applies, ISO 3166-1 alpha-2; null when none does.
    #[schema(required = true, example = "IN")]
    pub country: Option<String>,
    #[schema(minimum = 0, maximum = 100, example = 50)]
    pub percent_off: i32,
}

/// Ask for my discount
///
/// By the country that the operator's proxy names; nothing that the caller sends counts.
#[utoipa::path(
    tag = "Shop", operation_id = "getDiscount",
    responses((status = 200, description = "The discount, or none.", body = CallerDiscount))
)]
#[get("/v1/pricing/discount")]
pub async fn show(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let country = country::of(&request, &state.config);
    let discount = state
        .db
        .read(move |conn| Discount::of_country(conn, country))
        .await?;
    Ok(private(&CallerDiscount {
        country: discount.country,
        percent_off: discount.percent_off,
    }))
}
