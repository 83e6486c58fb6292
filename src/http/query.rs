//! The extractor of query strings: an unknown, repeated or malformed parameter is named in a 422.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use garde::Validate;
use serde::de::DeserializeOwned;

use super::json::field_error;
use crate::problem::{FieldError, Problem};

/// Query parameters that were parsed and checked.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Validate<Context = ()>> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self))
    }
}

fn parse<T: DeserializeOwned + Validate<Context = ()>>(query: &str) -> Result<T, Problem> {
    let parameter = |name: String, code, detail| {
        FieldError::parameter(name.trim_start_matches('/'), code, detail)
    };
    let value = web::Query::<T>::from_query(query).map_err(|error| {
        let message = match &error {
            actix_web::error::QueryPayloadError::Deserialize(error) => error.to_string(),
            _ => "cannot be read".to_owned(),
        };
        Problem::invalid(vec![field_error(&message, "", parameter)])
    })?;
    value.0.validate().map_err(|report| {
        let errors = report.iter();
        Problem::invalid(
            errors
                .map(|(path, error)| {
                    parameter(path.to_string(), "out-of-range", error.message().to_owned())
                })
                .collect(),
        )
    })?;
    Ok(value.into_inner())
}
