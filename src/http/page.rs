//! Lists: a page of rows and the cursor of the next one, in the body and as `Link: rel="next"` (RFC 8288).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::cursor::Cursor;
use crate::problem::{Code, Problem};

/// How many rows a page has when nothing is said.
pub const DEFAULT_LIMIT: u8 = 20;

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
    pub fn new<R, K: Serialize + DeserializeOwned>(
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
                let cursor = Cursor { sort: sort.to_owned(), key, id };
                Some(cursor.encode().map_err(Problem::internal)?)
            }
            _ => None,
        };
        Ok(Self { data: rows.into_iter().map(present).collect(), next_cursor })
    }

    /// 200 with the page, and a `Link` to the next one: the same address with another cursor.
    pub fn to_response(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            let kept = form_urlencoded::parse(request.query_string().as_bytes()).filter(|(name, _)| name != "cursor");
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(kept)
                .append_pair("cursor", cursor)
                .finish();
            response.insert_header((header::LINK, format!("<{}?{query}>; rel=\"next\"", request.path())));
        }
        response.json(self)
    }
}

/// The place that a `cursor` parameter names in this order of this list.
///
/// # Errors
/// 400 `invalid-cursor` for one that was not made by this list in this order.
pub fn place<K: Serialize + DeserializeOwned>(cursor: Option<&str>, sort: &str) -> Result<Option<Cursor<K>>, Problem> {
    cursor
        .map(|text| Cursor::decode(text, sort).ok_or_else(|| Problem::new(Code::InvalidCursor)))
        .transpose()
}
