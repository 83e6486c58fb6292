//! The local Clerk over HTTP: its key set, the Backend API that the store calls, and tokens for developers.

use std::sync::atomic::Ordering;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, post, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{JwksMode, LocalClerk, LocalClerkError, Person, TokenOptions, UserEvent};
use crate::domain::time::Timestamp;
use crate::handlers::private;
use crate::problem::{Code, Problem};

impl LocalClerk {
    /// Mounts `/.well-known/jwks.json` and `/v1/users...`. Give it a scope or a server of its own: the paths are
    /// Clerk's, and the store has a `/v1` too.
    pub fn configure(&self, cfg: &mut web::ServiceConfig) {
        cfg.app_data(web::Data::new(self.clone()))
            .route("/.well-known/jwks.json", web::get().to(jwks))
            .route("/v1/users", web::get().to(list_users))
            .route("/v1/users/{id}", web::get().to(get_user))
            .route("/v1/users/{id}", web::delete().to(delete_user))
            .route("/v1/users/{id}/metadata", web::patch().to(merge_metadata));
    }

    /// Mounts `POST /dev/tokens`: `{"user": "learner-1"}` gets that person's session token.
    pub fn configure_tokens(&self, cfg: &mut ServiceConfig) {
        cfg.app_data(web::Data::new(self.clone())).service(token);
    }
}

type Clerk = web::Data<LocalClerk>;

async fn jwks(clerk: Clerk) -> HttpResponse {
    clerk.0.jwks_fetches.fetch_add(1, Ordering::SeqCst);
    let mode = clerk.state().jwks.clone();
    match mode {
        JwksMode::Serve => HttpResponse::Ok().json(clerk.jwks()),
        JwksMode::Fail => HttpResponse::InternalServerError().finish(),
        JwksMode::Body(text) => HttpResponse::Ok()
            .content_type("application/json")
            .body(text),
    }
}

/// Clerk's paging: 10 by default, 500 at most.
#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
    offset: Option<usize>,
}

async fn list_users(clerk: Clerk, request: HttpRequest, page: web::Query<Page>) -> HttpResponse {
    if let Some(refusal) = refuse(&clerk, &request) {
        return refusal;
    }
    let (limit, offset) = (page.limit.unwrap_or(10).min(500), page.offset.unwrap_or(0));
    let people = clerk.people();
    let users: Vec<Value> = people
        .iter()
        .skip(offset)
        .take(limit)
        .map(|person| clerk.0.template.user(person))
        .collect();
    HttpResponse::Ok().json(users)
}

async fn get_user(clerk: Clerk, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    if let Some(refusal) = refuse(&clerk, &request) {
        return refusal;
    }
    match clerk.person(&id) {
        Some(person) => HttpResponse::Ok().json(clerk.0.template.user(&person)),
        None => not_found(),
    }
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    public_metadata: Value,
}

async fn merge_metadata(
    clerk: Clerk,
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Json<Metadata>,
) -> HttpResponse {
    if let Some(refusal) = refuse(&clerk, &request) {
        return refusal;
    }
    match clerk.merge_metadata(&id, &body.public_metadata) {
        Ok(Some(person)) => {
            announce_later(&clerk, UserEvent::Updated, &person);
            HttpResponse::Ok().json(clerk.0.template.user(&person))
        }
        Ok(None) => not_found(),
        Err(error) => failed(&error),
    }
}

async fn delete_user(clerk: Clerk, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    if let Some(refusal) = refuse(&clerk, &request) {
        return refusal;
    }
    match clerk.remove_person(&id) {
        Ok(Some(person)) => {
            announce_later(&clerk, UserEvent::Deleted, &person);
            HttpResponse::Ok().json(clerk.0.template.tombstone(&person))
        }
        Ok(None) => not_found(),
        Err(error) => failed(&error),
    }
}

/// As with Clerk, the answer does not wait for the webhook: its receiver may be the very caller.
fn announce_later(clerk: &LocalClerk, kind: UserEvent, person: &Person) {
    let (clerk, person) = (clerk.clone(), person.clone());
    actix_web::rt::spawn(async move { clerk.announce(kind, &person).await });
}

/// What speaks against answering: an outage that a test wants, or no key.
fn refuse(clerk: &LocalClerk, request: &HttpRequest) -> Option<HttpResponse> {
    let mut state = clerk.state();
    state
        .calls
        .push(format!("{} {}", request.method(), request.path()));
    if state.outage > 0 {
        state.outage -= 1;
        return Some(HttpResponse::ServiceUnavailable().finish());
    }
    (!has_key(request)).then(unauthorized)
}

/// Any secret key will do, but a call without one is a bug that Clerk would show.
fn has_key(request: &HttpRequest) -> bool {
    let header = request.headers().get("authorization");
    let key = header
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("Bearer "));
    key.is_some_and(|key| !key.trim().is_empty())
}

fn unauthorized() -> HttpResponse {
    clerk_error(
        StatusCode::UNAUTHORIZED,
        "authorization_invalid",
        "No secret key was given.",
    )
}

fn not_found() -> HttpResponse {
    clerk_error(
        StatusCode::NOT_FOUND,
        "resource_not_found",
        "No user was found with this id.",
    )
}

fn failed(error: &LocalClerkError) -> HttpResponse {
    clerk_error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_clerk_error",
        &error.to_string(),
    )
}

/// The shape of Clerk's own errors.
fn clerk_error(status: StatusCode, code: &str, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({
        "errors": [{ "code": code, "message": message, "long_message": message, "meta": {} }],
    }))
}

/// Whose token.
#[derive(Deserialize, ToSchema)]
struct TokenRequest {
    /// 1 to 40 lower-case letters, digits and dashes; a new name is a new person.
    #[schema(min_length = 1, max_length = 40, example = "learner-1")]
    user: String,
}

/// A session token, to be sent as `Authorization: Bearer`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[schema(example = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl")]
    token: String,
    #[schema(example = "learner-1")]
    user: String,
    #[schema(example = "user_29w83sxmDNGwOuEthce5gg56FcC")]
    clerk_user_id: String,
    expires_at: Timestamp,
}

/// Get a session token
///
/// Signs a person in at the local Clerk: `admin`, `learner-1` and `learner-2` are the demo store's, any other name is
/// somebody new. Copy `token` from the answer, press **Authorize** and paste it.
#[utoipa::path(
    tag = "Development", operation_id = "createDevelopmentToken", request_body = TokenRequest,
    responses((status = 200, description = "A token for twelve hours.", body = Token), (status = 422, description = "invalid"))
)]
#[post("/dev/tokens")]
async fn token(clerk: Clerk, body: web::Bytes) -> Result<HttpResponse, Problem> {
    // Bytes and not JSON, so that whatever is wrong with the body is said in one sentence.
    let TokenRequest { user } = serde_json::from_slice(&body).map_err(|_| {
        Problem::new(Code::MalformedRequest).detail(
            "Send a JSON object with the name of a person, such as {\"user\": \"learner-1\"}.",
        )
    })?;
    let token = answer(&clerk, &user).await.map_err(|error| match error {
        LocalClerkError::Name(_) => Problem::new(Code::Invalid).detail(error.to_string()),
        error => Problem::internal(error),
    })?;
    Ok(private(&token))
}

async fn answer(clerk: &LocalClerk, name: &str) -> Result<Token, LocalClerkError> {
    let (person, is_new) = clerk.add_person(name)?;
    if is_new {
        // Waited for, so that the token's first use already finds the name and the address.
        clerk.announce(UserEvent::Created, &person).await;
    }
    let expires_at = TokenOptions::expiry();
    let options = TokenOptions::claims(json!({ "exp": expires_at.timestamp() }));
    Ok(Token {
        token: clerk.mint(&person.clerk_user_id, &options)?,
        user: person.name,
        clerk_user_id: person.clerk_user_id,
        expires_at: expires_at.into(),
    })
}
