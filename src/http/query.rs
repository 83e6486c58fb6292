//! The extractor of query strings: an unknown, repeated or malformed parameter is named in a 422.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use garde::Validate;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::json::{field_error, pointer};
use crate::auth::gate;
use crate::problem::{FieldError, Problem};

/// Query parameters that were parsed and checked.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for Query<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        read(request, |query| parse(query).map(Self))
    }
}

/// Reads the query string of somebody who is let in.
pub(super) fn read<T: 'static>(
    request: &HttpRequest,
    parse: impl FnOnce(&str) -> Result<T, Problem> + 'static,
) -> LocalBoxFuture<'static, Result<T, Problem>> {
    let query = request.query_string().to_owned();
    let gate = gate::pass(request);
    async move {
        gate.await?;
        parse(&query)
    }
    .boxed_local()
}

/// Reads and checks a query string.
///
/// # Errors
/// 422 that names the parameter.
pub(super) fn parse<T: DeserializeOwned + Validate<Context = ()>>(
    query: &str,
) -> Result<T, Problem> {
    let parameter = |name: String, code, detail| {
        FieldError::parameter(name.trim_start_matches('/'), code, detail)
    };
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    let value: T = serde_path_to_error::deserialize(pairs).map_err(|error| {
        let place = pointer(error.path());
        Problem::invalid(vec![field_error(
            &error.inner().to_string(),
            &place,
            parameter,
        )])
    })?;
    value.validate().map_err(|report| {
        let errors = report.iter().map(|(path, error)| {
            parameter(
                path.to_string().trim_start_matches("r#").to_owned(),
                "invalid-value",
                error.message().to_owned(),
            )
        });
        Problem::invalid(errors.collect())
    })?;
    Ok(value)
}
