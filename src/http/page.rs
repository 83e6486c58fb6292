//! Lists: a page of rows and the cursor of the next one, in the body and as `Link: rel="next"` (RFC 8288).

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use garde::Validate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::query::{parse, read};
use crate::domain::cursor::{Cursor, SortKey};
use crate::domain::slice::{Slice, SliceSize};
use crate::problem::{Code, Problem};

/// Which page of a list.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows at most.
    #[garde(range(min = 1, max = 100))]
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: u8,
    /// `nextCursor` of the page before.
    #[garde(skip)]
    pub cursor: Option<String>,
    /// `total`: how many rows all pages have together, which takes longer to find out.
    #[garde(skip)]
    #[param(inline)]
    include: Option<Include>,
}

/// What a page may tell beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Include {
    /// Their number.
    Total,
}

/// How many rows a page has when nothing is said.
const fn default_limit() -> u8 {
    SliceSize::USUAL
}

impl PageQuery {
    /// How much of the list is asked for.
    pub fn size(&self) -> SliceSize {
        SliceSize {
            limit: self.limit,
            with_total: self.include == Some(Include::Total),
        }
    }
}

/// The query of a list: which rows, and which page of them. As [`Query`](super::query::Query) otherwise.
pub struct Listing<T>(pub T, pub PageQuery);

impl<T: DeserializeOwned + Validate<Context = ()> + 'static> FromRequest for Listing<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        read(request, |query| {
            let of_page = |name: &str| ["limit", "cursor", "include"].contains(&name);
            let rows = parse(&only(query, |name| !of_page(name)))?;
            Ok(Self(rows, parse(&only(query, of_page))?))
        })
    }
}

/// The parameters of a query with certain names.
fn only(query: &str, is_kept: impl Fn(&str) -> bool) -> String {
    let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| is_kept(name));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .finish()
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
    /// How many rows all pages have together; only with `include=total`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub total: Option<i64>,
}

impl<T: Serialize> Page<T> {
    /// Makes a page of what was found, with the cursor of the next one.
    ///
    /// # Errors
    /// When a sort key cannot be written as JSON.
    pub fn new<R, K: SortKey>(
        found: Slice<R>,
        sort: &str,
        place: impl Fn(&R) -> (K, Uuid),
        present: impl Fn(R) -> T,
    ) -> Result<Self, Problem> {
        let next_cursor = match found.rows.last() {
            Some(last) if found.goes_on => {
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
            data: found.rows.into_iter().map(present).collect(),
            next_cursor,
            total: found.total,
        })
    }

    /// A list that is always shown whole.
    pub const fn whole(data: Vec<T>) -> Self {
        Self {
            data,
            next_cursor: None,
            total: None,
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
        let kept = only(request.query_string(), |name| name != "cursor");
        let query = form_urlencoded::Serializer::new(kept)
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
