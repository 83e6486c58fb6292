//! Money: integer amounts in a currency's smallest unit, and what Stripe says about currencies.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A price in the smallest unit of the store's currency: 0 (free) to 99,999,999, the most that Stripe charges at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct PriceInCents(i32);

impl PriceInCents {
    /// The highest price.
    pub const MAX: i32 = 99_999_999;
}

impl From<PriceInCents> for i32 {
    fn from(price: PriceInCents) -> Self {
        price.0
    }
}

impl garde::Validate for PriceInCents {
    type Context = ();

    fn validate_into(
        &self,
        (): &(),
        path: &mut dyn FnMut() -> garde::Path,
        report: &mut garde::Report,
    ) {
        if !(0..=Self::MAX).contains(&self.0) {
            report.append(
                path(),
                garde::Error::new(format!("must be from 0 to {}", Self::MAX)),
            );
        }
    }
}

impl utoipa::PartialSchema for PriceInCents {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Integer)
            .minimum(Some(0))
            .maximum(Some(Self::MAX))
            .description(Some(
                "An integer in the smallest unit of the currency; never a float.",
            ))
            .examples([4900])
            .into()
    }
}

impl utoipa::ToSchema for PriceInCents {}

/// The share of an amount that a percentage takes off, rounded half up to the smallest unit, as Stripe rounds a coupon.
pub const fn percent_of(amount: i32, percent: i32) -> i32 {
    ((amount as i64 * percent as i64 + 50) / 100) as i32
}

/// A currency that Stripe charges in: three lower-case letters, ISO 4217.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Currency(String);

impl Currency {
    /// As Stripe and the API write it: `usd`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The smallest amount that Stripe charges, in the currency's smallest unit; 1 where Stripe names none.
    /// <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
    pub fn minimum_charge(&self) -> i32 {
        match self.as_str() {
            "usd" | "eur" | "aud" | "brl" | "cad" | "chf" | "inr" | "nzd" | "sgd" => 50,
            "gbp" => 30,
            "aed" | "bgn" | "myr" | "pln" | "ron" => 200,
            "czk" => 1500,
            "dkk" => 250,
            "hkd" => 400,
            "huf" => 17_500,
            "jpy" => 50,
            "mxn" | "thb" => 1000,
            "nok" | "sek" => 300,
            _ => 1,
        }
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self("usd".to_owned())
    }
}

/// The text is not three ASCII letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code")]
pub struct InvalidCurrency;

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidCurrency)
        }
    }
}
