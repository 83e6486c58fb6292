//! What a product costs a certain buyer now, and what it gives. Frozen on the checkout's row when they decide.

use diesel::PgConnection;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::money::{Currency, percent_of};
use crate::problem::Problem;
use crate::repositories::product::ProductRow;
use crate::repositories::{country_discount, course_product};

/// A public product at its price for one buyer.
#[derive(Debug, Clone)]
pub struct Offer {
    pub product: ProductRow,
    pub course_ids: Vec<Uuid>,
    pub price: Price,
}

/// How a total comes about. Amounts are in the currency's smallest unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    pub subtotal_in_cents: i32,
    pub percent_off: i32,
    pub discount_in_cents: i32,
    pub total_in_cents: i32,
    pub currency: Currency,
    /// The country whose discount applies, ISO 3166-1 alpha-2.
    pub country: Option<String>,
}

/// A buyer's discount by purchasing power.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discount {
    pub percent_off: i32,
    pub country: Option<String>,
}

/// The product as it is sold, kept with the purchase so that history stays right when the product changes.
#[derive(Debug, Clone, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductDetails {
    pub name: String,
    pub description: String,
    pub image_url: String,
}

impl Discount {
    /// The discount of a country; none where there is none, or where the country is not known.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn of_country(conn: &mut PgConnection, country: Option<String>) -> Result<Self, Problem> {
        let Some(country) = country else {
            return Ok(Self::default());
        };
        let percent_off = country_discount::percent_off(conn, &country)?;
        Ok(percent_off.map_or_else(Self::default, |percent_off| Self {
            percent_off,
            country: Some(country),
        }))
    }
}

impl Offer {
    /// The offer of a product, at the price that holds in a country.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn of(
        conn: &mut PgConnection,
        product: ProductRow,
        country: Option<String>,
        currency: &Currency,
    ) -> Result<Self, Problem> {
        let discount = Discount::of_country(conn, country)?;
        let course_ids = course_product::course_ids(conn, product.id)?;
        let discount_in_cents = percent_of(product.price_in_cents, discount.percent_off);
        let price = Price {
            subtotal_in_cents: product.price_in_cents,
            percent_off: discount.percent_off,
            discount_in_cents,
            total_in_cents: product.price_in_cents - discount_in_cents,
            currency: currency.clone(),
            country: discount.country,
        };
        Ok(Self {
            product,
            course_ids,
            price,
        })
    }

    /// The snapshot that goes with the purchase.
    pub fn details(&self) -> ProductDetails {
        ProductDetails {
            name: self.product.name.clone(),
            description: self.product.description.clone(),
            image_url: self.product.image_url.clone(),
        }
    }
}
