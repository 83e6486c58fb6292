//! Everything that the store holds about the caller, and the way out.

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpRequest, HttpResponse, delete, get, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::admin::access_grant::CourseAccess;
use super::checkout::CheckoutSession;
use super::purchase::Purchase;
use super::user::User;
use super::{PRIVATE_CACHE, accepted};
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::commerce::people;
use crate::context::RequestContext;
use crate::db::Actor;
use crate::domain::time::Timestamp;
use crate::http::etag;
use crate::problem::{Code, Problem};
use crate::repositories::{access_grant, checkout, purchase, user_lesson_complete};

/// All that is held about a person (GDPR, article 15 and 20).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    pub profile: User,
    /// By course: why it could be opened, and until when.
    pub access: Vec<CourseAccess>,
    /// Newest first.
    pub completions: Vec<Completion>,
    /// Newest first, those included that came to nothing.
    pub checkouts: Vec<CheckoutSession>,
    /// Newest first.
    pub purchases: Vec<Purchase>,
}

/// A lesson that was ticked off.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    pub lesson_id: Uuid,
    pub completed_at: Timestamp,
}

/// Export my data
///
/// Everything that is held about the caller, as one file. What Clerk and Stripe hold is with them.
#[utoipa::path(
    tag = "Learn", operation_id = "exportMe", security(("session" = [])),
    responses(
        (status = 200, description = "The data.", body = Export, headers(("Content-Disposition" = String, description = "`attachment`, with a name for the file."))),
        (status = 403, description = "impersonation-forbidden"),
    )
)]
#[get("/v1/me/export")]
pub async fn show(user: CurrentUser, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    user.in_person()?;
    let row = user.row();
    let export = state
        .db
        .read(move |conn| {
            let completions = user_lesson_complete::of_user(conn, row.id)?.into_iter();
            let completions = completions.map(|(lesson_id, at)| Completion {
                lesson_id,
                completed_at: at.into(),
            });
            Ok(Export {
                access: CourseAccess::by_course(access_grant::of_user(conn, row.id)?),
                completions: completions.collect(),
                checkouts: checkout::of_user(conn, row.id)?
                    .into_iter()
                    .map(CheckoutSession::from)
                    .collect(),
                purchases: purchase::of_user(conn, row.id)?
                    .into_iter()
                    .map(Purchase::from)
                    .collect(),
                profile: row.into(),
            })
        })
        .await?;
    let disposition = ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename("lectern-export.json".to_owned())],
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, PRIVATE_CACHE))
        .insert_header(disposition)
        .json(export))
}

/// Delete my account
///
/// Starts the deletion at Clerk; some moments later the account is gone there and here. Purchases stay on record
/// without a name, access ends, and nothing brings it back.
#[utoipa::path(
    tag = "Learn", operation_id = "deleteMe", security(("session" = [])),
    responses(
        (status = 202, description = "The deletion is under way."),
        (status = 403, description = "impersonation-forbidden"),
        (status = 409, description = "last-admin"),
        (status = 503, description = "account-deletion-unavailable"),
    )
)]
#[delete("/v1/me")]
pub async fn delete(
    user: CurrentUser,
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    user.in_person()?;
    etag::hold(&request, &User::from(user.row()))?;
    if state.clerk.is_none() {
        return Err(Problem::unavailable(
            Code::AccountDeletionUnavailable,
            86_400,
        ));
    }
    let actor = Actor {
        user_id: Some(user.id()),
        request_id: RequestContext::current_id(),
        ..Actor::default()
    };
    state
        .db
        .change(actor, move |conn| {
            people::ask_for_deletion(conn, &user.row())
        })
        .await?;
    state.ring_if_deaf();
    Ok(accepted())
}
