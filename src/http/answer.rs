//! An answer as a value: made in the transaction of its effect, kept with it, and given again.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::etag;
use crate::handlers::PRIVATE_CACHE;
use crate::problem::Problem;
use crate::repositories::idempotency_key::{IdempotencyKeyRow, KeptAnswer};

/// Status, headers and body.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Answer {
    /// 200 for the caller alone.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, body)
    }

    /// 201 with the address of what was made.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn created(location: &str, body: &impl Serialize) -> Result<Self, Problem> {
        let mut answer = Self::json(StatusCode::CREATED, body)?;
        answer.put(header::LOCATION, location);
        Ok(answer)
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let mut answer = Self {
            status,
            headers: Vec::new(),
            body: serde_json::to_vec(body).map_err(Problem::internal)?.into(),
        };
        answer.put(header::CONTENT_TYPE, "application/json");
        answer.put(header::CACHE_CONTROL, PRIVATE_CACHE);
        Ok(answer)
    }

    fn put(&mut self, name: HeaderName, value: &str) {
        self.headers
            .push((name.as_str().to_owned(), value.to_owned()));
    }

    /// The address of what was made.
    pub fn location(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(name, _)| name == header::LOCATION.as_str())?;
        Some(value)
    }

    /// Adds the entity tag of the body at this version.
    pub fn tag(&mut self, version: &str) {
        let tag = etag::strong(Some(version), &self.body);
        self.put(header::ETAG, &tag);
    }

    /// What a response says, as far as it can be given again.
    pub fn of_response(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        Self {
            status,
            headers: headers.iter().filter_map(text).collect(),
            body,
        }
    }

    /// The form in which it is kept.
    pub fn to_kept(&self) -> KeptAnswer {
        KeptAnswer {
            status: self.status.as_u16().into(),
            headers: self
                .headers
                .iter()
                .map(|(name, value)| Value::from(vec![name.as_str(), value]))
                .collect(),
            body: self.body.to_vec(),
        }
    }

    /// Reads what was kept; `None` while the request is still worked on.
    pub fn of_kept(row: IdempotencyKeyRow) -> Option<Self> {
        Some(Self {
            status: StatusCode::from_u16(row.status?.try_into().ok()?).ok()?,
            headers: serde_json::from_value(row.headers?).ok()?,
            body: row.body?.into(),
        })
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::build(answer.status);
        for (name, value) in &answer.headers {
            response.append_header((name.as_str(), value.as_str()));
        }
        response.body(answer.body)
    }
}
