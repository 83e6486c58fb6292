//! Countries, by their two-letter codes.

use serde::{Deserialize, Serialize};

/// ISO 3166-1 alpha-2: two capital letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Country(String);

impl Country {
    const PATTERN: &str = "^[A-Z]{2}$";
}

impl From<String> for Country {
    fn from(code: String) -> Self {
        Self(code)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.0
    }
}

impl garde::Validate for Country {
    type Context = ();

    fn validate_into(
        &self,
        (): &(),
        path: &mut dyn FnMut() -> garde::Path,
        report: &mut garde::Report,
    ) {
        if self.0.len() != 2 || !self.0.bytes().all(|byte| byte.is_ascii_uppercase()) {
            report.append(
                path(),
                garde::Error::new("must be two capital letters, ISO 3166-1 alpha-2"),
            );
        }
    }
}

impl utoipa::PartialSchema for Country {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some(Self::PATTERN))
            .examples(["IN"])
            .into()
    }
}

impl utoipa::ToSchema for Country {}
