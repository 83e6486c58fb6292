//! Prices by purchasing power, for the owner.

use actix_web::{HttpResponse, get, put, web};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::country::Country;
use crate::handlers::private;
use crate::http::json::Json;
use crate::problem::{FieldError, Problem};
use crate::repositories::country_discount::{self, CountryDiscount};

/// Every tier, the largest discount first.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PricingTiers {
    /// Each percentage once, each country in one tier; empty for no discounts at all.
    #[garde(length(max = 100), dive)]
    #[schema(max_items = 100)]
    pub data: Vec<PricingTier>,
}

/// What is taken off in some countries.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PricingTier {
    #[garde(range(min = 1, max = 100))]
    #[schema(minimum = 1, maximum = 100, example = 50)]
    pub percent_off: i32,
    #[garde(length(min = 1, max = 250), dive)]
    #[schema(min_items = 1, max_items = 250)]
    pub countries: Vec<Country>,
}

impl PricingTiers {
    fn new(discounts: Vec<CountryDiscount>) -> Self {
        let mut data: Vec<PricingTier> = Vec::new();
        for CountryDiscount {
            country,
            percent_off,
        } in discounts
        {
            match data.last_mut() {
                Some(tier) if tier.percent_off == percent_off => {
                    tier.countries.push(country.into());
                }
                _ => data.push(PricingTier {
                    percent_off,
                    countries: vec![country.into()],
                }),
            }
        }
        Self { data }
    }

    /// The rows, when each country is named once.
    fn rows(self) -> Result<Vec<CountryDiscount>, Problem> {
        let mut rows: Vec<CountryDiscount> = Vec::new();
        let mut errors = Vec::new();
        for (tier_index, tier) in self.data.into_iter().enumerate() {
            for (index, country) in tier.countries.into_iter().enumerate() {
                let country = String::from(country);
                if rows.iter().any(|row| row.country == country) {
                    let pointer = format!("/data/{tier_index}/countries/{index}");
                    errors.push(FieldError::at(pointer, "repeated", "is in a tier already"));
                } else {
                    rows.push(CountryDiscount {
                        country,
                        percent_off: tier.percent_off,
                    });
                }
            }
        }
        if errors.is_empty() {
            Ok(rows)
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

/// Show the pricing tiers
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminGetPricingTiers", security(("session" = [])),
    responses((status = 200, description = "Every tier.", body = PricingTiers))
)]
#[get("/v1/admin/pricing/tiers")]
pub async fn show(_: Admin, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    let discounts = state
        .db
        .read(|conn| Ok(country_discount::all(conn)?))
        .await?;
    Ok(private(&PricingTiers::new(discounts)))
}

/// Replace the pricing tiers
///
/// Open checkouts keep the price that was agreed on.
#[utoipa::path(
    tag = "Admin: products", operation_id = "adminReplacePricingTiers", security(("session" = [])), request_body = PricingTiers,
    responses((status = 200, description = "Every tier, as it is now.", body = PricingTiers))
)]
#[put("/v1/admin/pricing/tiers")]
pub async fn replace(
    _: Admin,
    state: web::Data<AppState>,
    Json(input): Json<PricingTiers>,
) -> Result<HttpResponse, Problem> {
    let rows = input.rows()?;
    let discounts = state
        .db
        .transaction(move |conn| {
            country_discount::replace(conn, &rows)?;
            Ok(country_discount::all(conn)?)
        })
        .await?;
    Ok(private(&PricingTiers::new(discounts)))
}
