//! The extractor of query strings: an unknown, repeated or malformed parameter is named in a 422.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use garde::Validate;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_urlencoded::Deserializer;
use url::form_urlencoded;

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
    let pairs = form_urlencoded::parse(query.as_bytes());
    let value: T = serde_path_to_error::deserialize(Deserializer::new(pairs)).map_err(|error| {
        let name = match error.path().iter().next() {
            Some(Segment::Map { key }) => format!("/{key}"),
            _ => String::new(),
        };
        let message = error.inner().to_string();
        Problem::invalid(vec![field_error(&message, &name, parameter)])
    })?;
    value.validate().map_err(|report| {
        let errors = report.iter();
        Problem::invalid(
            errors
                .map(|(path, error)| {
                    parameter(path.to_string(), "out-of-range", error.message().to_owned())
                })
                .collect(),
        )
    })?;
    Ok(value)
}
