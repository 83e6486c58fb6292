//! `Idempotency-Key` (IETF draft 07): a POST that is repeated under its key is done once and answered twice.
//! <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07>
//!
//! The key belongs to a person, a method and a path, for 24 hours. The draft writes it as a quoted string; the bare
//! word is taken too, and `"abc"` and `abc` are one key.

use std::future::{Ready, ready};

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use diesel::PgConnection;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::answer::Answer;
use super::json::{JSON_LIMIT, read};
use super::problems;
use crate::app::AppState;
use crate::auth::extractors::caller;
use crate::problem::{Code, Problem};
use crate::repositories::idempotency_key::{self, KeyedRequest};

/// The header's name.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Where a request without a key is refused: money goes back there.
const REQUIRED: [&str; 1] = ["/v1/admin/purchases/{id}/refunds"];
/// The longest key, without its quotes.
const MAX_KEY: usize = 255;
/// The longest path that anything can be done at.
const MAX_PATH: usize = 200;

/// Whether a POST at this address can be repeated under a key.
pub fn is_honoured(path: &str) -> bool {
    path.starts_with("/v1/") && !path.starts_with("/v1/webhooks/")
}

/// Whether a POST at this address, as the route table writes it, has to have a key.
pub fn is_required(pattern: &str) -> bool {
    REQUIRED.contains(&pattern)
}

/// The right to do a request under its key, until it is answered.
#[derive(Debug, Clone)]
pub struct Ticket {
    attempt: Uuid,
    /// What the client calls the request.
    pub key: String,
}

impl Ticket {
    /// Keeps the answer, in the transaction of the effect: both are committed or neither is, so that no crash comes
    /// between them.
    ///
    /// # Errors
    /// 409 `idempotency-key-in-use` when another attempt has taken the request over; the transaction has to end.
    pub fn keep(&self, conn: &mut PgConnection, answer: &Answer) -> Result<(), Problem> {
        if idempotency_key::keep(conn, self.attempt, &answer.to_kept())? {
            Ok(())
        } else {
            Err(Problem::new(Code::IdempotencyKeyInUse))
        }
    }
}

/// The request's ticket, when it came with a key.
#[derive(Debug, Clone, Default)]
pub struct MaybeTicket(pub Option<Ticket>);

impl MaybeTicket {
    /// The ticket that [`once`] gave.
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.extensions().get::<Ticket>().cloned())
    }

    /// As [`Ticket::keep`]; nothing is kept without a key.
    ///
    /// # Errors
    /// As [`Ticket::keep`].
    pub fn keep(&self, conn: &mut PgConnection, answer: &Answer) -> Result<(), Problem> {
        match &self.0 {
            Some(ticket) => ticket.keep(conn, answer),
            None => Ok(()),
        }
    }
}

impl FromRequest for MaybeTicket {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

/// Middleware around the handlers: answers a repeated request from what was kept.
pub async fn once(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (keyed, state) = match begin(&mut request).await {
        Ok(Some(begun)) => begun,
        Ok(None) => return Ok(next.call(request).await?.map_into_boxed_body()),
        Err(problem) => return Ok(request.into_response(problem.error_response())),
    };
    let attempt = Uuid::new_v4();
    let ticket = Ticket {
        attempt,
        key: keyed.key.clone(),
    };
    let kept = state
        .db
        .read(move |conn| {
            if idempotency_key::claim(conn, &keyed, attempt)? {
                return Ok(None);
            }
            let in_use = || Problem::new(Code::IdempotencyKeyInUse);
            let held = idempotency_key::find(conn, &keyed)?.ok_or_else(in_use)?;
            if held.fingerprint != keyed.fingerprint {
                return Err(Problem::new(Code::IdempotencyKeyReused));
            }
            Answer::of_kept(held).map(Some).ok_or_else(in_use)
        })
        .await;
    match kept {
        Ok(Some(answer)) => {
            let mut response = HttpResponse::from(answer);
            response
                .headers_mut()
                .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
            Ok(request.into_response(response))
        }
        Ok(None) => {
            request.extensions_mut().insert(ticket);
            let response = problems::rendered(next.call(request).await?);
            finish(&state, attempt, response).await
        }
        Err(problem) => Ok(request.into_response(problem.error_response())),
    }
}

/// Whose request it is and what it asks for; `None` where a key counts for nothing: at another method or address, from
/// somebody who is not let in anyway.
async fn begin(request: &mut ServiceRequest) -> Result<Option<(KeyedRequest, AppState)>, Problem> {
    let path = request.path().to_owned();
    let pattern = request.match_pattern().unwrap_or_default();
    let has_key = request.headers().contains_key(&IDEMPOTENCY_KEY);
    if request.method() != Method::POST
        || !is_honoured(&pattern)
        || path.len() > MAX_PATH
        || !(has_key || is_required(&pattern))
    {
        return Ok(None);
    }
    let Ok(Some(user)) = caller(request.request()).await else {
        return Ok(None);
    };
    // What was kept is for those only who would be let in now.
    if path.starts_with("/v1/admin/") && user.as_admin().is_err() {
        return Ok(None);
    }
    let key = key(request.headers())?.ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired))?;
    let state = request.app_data::<web::Data<AppState>>();
    let state = state.ok_or_else(|| Problem::internal("no state"))?;
    let state = AppState::clone(state);
    let query = request.query_string().to_owned();
    let (head, payload) = request.parts_mut();
    let body = read(head, payload, &[], JSON_LIMIT).await?;
    request.set_payload(Payload::from(body.clone()));
    let fingerprint = Sha256::new()
        .chain_update([u8::from(user.impersonated)])
        .chain_update(query.len().to_be_bytes())
        .chain_update(query)
        .chain_update(body)
        .finalize();
    let keyed = KeyedRequest {
        user_id: user.id(),
        route: format!("POST {path}"),
        key,
        fingerprint: fingerprint.to_vec(),
    };
    Ok(Some((keyed, state)))
}

/// The key that a request carries, without quotes.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let malformed = || {
        Problem::new(Code::MalformedRequest).detail(
            "Idempotency-Key has to be one string of 1 to 255 printable ASCII characters, in quotes or bare.",
        )
    };
    let mut values = headers.get_all(&IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| malformed())?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted),
        None => Some(text.to_owned()),
    };
    let is_key = |key: &String| {
        (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    };
    let key = key.filter(is_key).filter(|_| values.next().is_none());
    key.map(Some).ok_or_else(malformed)
}

/// The inside of a quoted string behind its first quote (RFC 9651, section 4.2.5).
fn unquote(quoted: &str) -> Option<String> {
    let mut key = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(key),
            '\\' => match chars.next()? {
                c @ ('"' | '\\') => key.push(c),
                _ => return None,
            },
            c => key.push(c),
        }
    }
}

/// Keeps the answer, or gives the key free when the answer does not settle the matter.
async fn finish(
    state: &AppState,
    attempt: Uuid,
    response: ServiceResponse<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let body = to_bytes(body)
        .await
        .map_err(|_| Problem::internal("a body cannot be read"))?;
    let status = response.status();
    // Who is told when to come back is to be answered anew then.
    let comes_back = response.headers().contains_key(&header::RETRY_AFTER);
    let settled = !status.is_server_error() && !comes_back;
    let answer = Answer::of_response(status, response.headers(), body.clone()).to_kept();
    let kept = state
        .db
        .read(move |conn| {
            if settled {
                idempotency_key::keep(conn, attempt, &answer)?;
            } else {
                idempotency_key::release(conn, attempt)?;
            }
            Ok(())
        })
        .await;
    if let Err(problem) = kept {
        // The effect stands; until the claim ends, a repetition is told to wait.
        tracing::warn!(error = %problem, "an answer could not be kept for its idempotency key");
    }
    let response = response.set_body(body).map_into_boxed_body();
    Ok(ServiceResponse::new(request, response))
}
