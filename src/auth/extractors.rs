//! A handler's signature is its permission: [`CurrentUser`], [`MaybeUser`] or [`Admin`].

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::{LocalBoxFuture, Shared};
use futures_util::{FutureExt, TryFutureExt};
use uuid::Uuid;

use super::gate;
use super::token::{Claims, TokenError};
use crate::app::AppState;
use crate::context::RequestContext;
use crate::db::Actor;
use crate::domain::enums::UserRole;
use crate::http::idempotency::MaybeTicket;
use crate::http::precondition::Precondition;
use crate::problem::{Code, Problem};
use crate::repositories::user::{Person, UserRow};

/// Somebody with a valid session token. Roles and rights are those of the database as of now: none is in the token.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    pub person: Arc<Person>,
    /// Whether another person acts as this one (Clerk's `act` claim).
    pub impersonated: bool,
}

impl CurrentUser {
    /// Our id, not Clerk's.
    pub fn id(&self) -> Uuid {
        self.person.row.id
    }

    /// The person, for those who keep or change what is known of them.
    pub fn row(&self) -> UserRow {
        self.person.row.clone()
    }

    /// Whether they hold this course.
    pub fn may_open(&self, course_id: Uuid) -> bool {
        self.person.may_open(course_id)
    }

    /// Whether this is the store's owner.
    pub fn is_admin(&self) -> bool {
        matches!(self.person.row.role, UserRole::Admin)
    }

    /// Lets the store's owner pass, in person.
    ///
    /// # Errors
    /// 403.
    pub fn as_admin(&self) -> Result<(), Problem> {
        if self.is_admin() {
            self.in_person()
        } else {
            Err(Problem::new(Code::Forbidden))
        }
    }

    /// Refuses what costs money or changes the store while somebody else acts as this person.
    ///
    /// # Errors
    /// 403 `impersonation-forbidden`.
    pub const fn in_person(&self) -> Result<(), Problem> {
        if self.impersonated {
            Err(Problem::new(Code::ImpersonationForbidden))
        } else {
            Ok(())
        }
    }
}

/// Anybody: without a token anonymous, with a bad one refused.
#[derive(Debug, Clone)]
pub struct MaybeUser(pub Option<CurrentUser>);

/// The store's owner, by the role in the database.
#[derive(Debug, Clone)]
pub struct Admin {
    pub user: CurrentUser,
    /// What this person changes now is in the audit log under this name.
    pub actor: Actor,
}

type Extraction<T> = Shared<LocalBoxFuture<'static, Result<T, Problem>>>;

impl FromRequest for CurrentUser {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        gate::close(request, signed_in(request))
    }
}

impl FromRequest for MaybeUser {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        gate::close(request, caller(request).map_ok(Self))
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let user = signed_in(request);
        let request_id = RequestContext::current_id();
        let (precondition, ticket) = (Precondition::of(request), MaybeTicket::of(request));
        let is_read = request.method() == Method::GET;
        let state = request.app_data::<web::Data<AppState>>().cloned();
        gate::close(request, async move {
            let user = user.await?;
            user.as_admin()?;
            // Before the handler reads: a tag may be older than its body, never newer.
            if let Some(state) = state.filter(|_| is_read && precondition.target().is_some()) {
                let precondition = precondition.clone();
                state.db.read(move |conn| precondition.note(conn)).await?;
            }
            let actor = Actor {
                user_id: Some(user.id()),
                as_admin: true,
                request_id,
                precondition,
                ticket,
            };
            Ok(Self { user, actor })
        })
    }
}

fn signed_in(request: &HttpRequest) -> impl Future<Output = Result<CurrentUser, Problem>> + use<> {
    let caller = caller(request);
    async move {
        caller
            .await?
            .ok_or_else(|| Problem::new(Code::Unauthenticated))
    }
}

/// The person behind the request, as far as somebody wanted to know.
///
/// # Errors
/// Why they were refused.
pub async fn known_caller(request: &HttpRequest) -> Result<Option<CurrentUser>, Problem> {
    match asked_for(request) {
        Some(caller) => caller.await,
        None => Ok(None),
    }
}

fn asked_for(request: &HttpRequest) -> Option<Extraction<Option<CurrentUser>>> {
    let extensions = request.extensions();
    extensions.get::<Extraction<Option<CurrentUser>>>().cloned()
}

/// The person behind the request, asked for once however many want to know.
pub fn caller(request: &HttpRequest) -> Extraction<Option<CurrentUser>> {
    asked_for(request).unwrap_or_else(|| {
        let caller = authenticate(request).boxed_local().shared();
        request.extensions_mut().insert(caller.clone());
        caller
    })
}

/// The person behind the `Authorization` header, provisioned on first sight; `None` without the header.
///
/// The future holds nothing of the request: the gate keeps it in the request's own extensions, and the two would keep
/// each other alive for ever.
fn authenticate(
    request: &HttpRequest,
) -> impl Future<Output = Result<Option<CurrentUser>, Problem>> + use<> {
    let claims = sender(request);
    let state = request.app_data::<web::Data<AppState>>().cloned();
    async move {
        let Some(claims) = claims.await? else {
            return Ok(None);
        };
        let state = state.ok_or_else(|| Problem::internal("no state"))?;
        let impersonated = claims.impersonated();
        let person = state.cache.person(&claims.sub).await?;
        if person.row.deleted_at.is_some() {
            return Err(Problem::new(Code::AccountDeleted));
        }
        RequestContext::identify(person.row.id);
        Ok(Some(CurrentUser {
            person,
            impersonated,
        }))
    }
}

/// What the session token says, checked once however many want to know; the database is not asked.
pub fn sender(request: &HttpRequest) -> Extraction<Option<Arc<Claims>>> {
    let known = request
        .extensions()
        .get::<Extraction<Option<Arc<Claims>>>>()
        .cloned();
    known.unwrap_or_else(|| {
        let token = bearer(request);
        let state = request.app_data::<web::Data<AppState>>().cloned();
        let verified = async move {
            let Some(token) = token? else {
                return Ok(None);
            };
            let state = state.ok_or_else(|| Problem::internal("no state"))?;
            let verified = state.cache.session(&state.verifier, &token).await;
            verified.map(Some).map_err(refusal)
        };
        let sender = verified.boxed_local().shared();
        request.extensions_mut().insert(sender.clone());
        sender
    })
}

/// The token of `Authorization: Bearer` (RFC 6750); no other place is looked at.
fn bearer(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (headers.next(), headers.next()) else {
        let absent = !request.headers().contains_key(header::AUTHORIZATION);
        return if absent {
            Ok(None)
        } else {
            Err(Problem::new(Code::Unauthenticated))
        };
    };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        Ok(Some(token.trim().to_owned()))
    } else {
        Err(Problem::new(Code::Unauthenticated))
    }
}

fn refusal(error: TokenError) -> Problem {
    match error {
        TokenError::Invalid(reason) => {
            tracing::debug!(reason, "session token refused");
            Problem::new(Code::Unauthenticated)
        }
        TokenError::SessionPending => Problem::new(Code::SessionPending),
        TokenError::KeysUnavailable => Problem::unavailable(Code::IdentityProviderUnavailable, 5),
    }
}
