//! Lists: a page of rows and the cursor of the next one, in the body and as `Link: rel="next"` (RFC 8288).

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use garde::Validate;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::cursor::{Cursor, SortKey};
use crate::problem::{Code, Problem};

/// Which page of a list in its one order.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows at most.
    #[garde(range(min = 1, max = 100))]
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    pub limit: u8,
    /// `nextCursor` of the page before.
    #[garde(skip)]
    pub cursor: Option<String>,
}

/// How many rows a page has when nothing is said.
pub const fn default_limit() -> u8 {
    20
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows, in the order asked for.
    pub data: Vec<T>,
    /// Where the next page starts; null on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// Makes a page of rows that were read with `limit + 1`: the extra one tells that there is more.
    ///
    /// # Errors
    /// When a sort key cannot be written as JSON.
    pub fn new<R, K: SortKey>(
        mut rows: Vec<R>,
        limit: u8,
        sort: &str,
        place: impl Fn(&R) -> (K, Uuid),
        present: impl Fn(R) -> T,
    ) -> Result<Self, Problem> {
        let more = rows.len() > usize::from(limit);
        rows.truncate(usize::from(limit));
        let next_cursor = match rows.last() {
            Some(last) if more => {
                let (key, id) = place(last);
                let cursor = Cursor {
                    sort: sort.to_owned(),
                    key,
                    id,
                };
                Some(cursor.encode().map_err(Problem::internal)?)
            }
            _ => None,
        };
        Ok(Self {
            data: rows.into_iter().map(present).collect(),
            next_cursor,
        })
    }

    /// A list that is always shown whole.
    pub const fn whole(data: Vec<T>) -> Self {
        Self {
            data,
            next_cursor: None,
        }
    }

    /// 200 with the page, and a `Link` to the next one: the same address with another cursor.
    pub fn to_response(&self, request: &HttpRequest, cache_control: &'static str) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CACHE_CONTROL, cache_control));
        if let Some(link) = self.link(request) {
            response.insert_header((header::LINK, link));
        }
        response.json(self)
    }

    /// The `Link` to the next page, if there is one.
    pub fn link(&self, request: &HttpRequest) -> Option<HeaderValue> {
        let cursor = self.next_cursor.as_ref()?;
        let kept = form_urlencoded::parse(request.query_string().as_bytes())
            .filter(|(name, _)| name != "cursor");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("cursor", cursor)
            .finish();
        format!("<{}?{query}>; rel=\"next\"", request.path())
            .try_into()
            .ok()
    }
}

/// The place that a `cursor` parameter names in this order of this list.
///
/// # Errors
/// 400 `invalid-cursor` for one that was not made by this list in this order.
pub fn place<K: SortKey>(cursor: Option<&str>, sort: &str) -> Result<Option<Cursor<K>>, Problem> {
    cursor
        .map(|text| Cursor::decode(text, sort).ok_or_else(|| Problem::new(Code::InvalidCursor)))
        .transpose()
}
