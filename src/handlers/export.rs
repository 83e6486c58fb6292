//! Everything that the store holds about the caller, and the way out.

use actix_web::http::header::{self, ContentDisposition, DispositionParam, DispositionType};
use actix_web::{HttpRequest, HttpResponse, delete, get, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::admin::access_grant::CourseAccess;
use super::admin::dispute::Dispute;
use super::admin::purchase::Sale;
use super::admin::refund::Refund;
use super::checkout::CheckoutSession;
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
use crate::repositories::checkout::{self, CheckoutWithPurchase};
use crate::repositories::{access_grant, dispute, purchase, refund, user_lesson_complete};

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
    pub checkouts: Vec<ExportedCheckout>,
    /// Newest first, with all that the owner sees of them.
    pub purchases: Vec<Sale>,
    /// Newest first, those included that failed. Which admin asked for one is not told.
    pub refunds: Vec<Refund>,
    /// Newest first.
    pub disputes: Vec<Dispute>,
}

/// A checkout, with what was noted for it about the buyer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedCheckout {
    #[serde(flatten)]
    pub checkout: CheckoutSession,
    /// The address that Stripe was given.
    #[schema(required = true)]
    pub email: Option<String>,
    /// Where the buyer seemed to be, ISO 3166-1 alpha-2.
    #[schema(required = true)]
    pub country: Option<String>,
    pub return_url: String,
    pub created_at: Timestamp,
}

impl From<CheckoutWithPurchase> for ExportedCheckout {
    fn from((row, purchase_id): CheckoutWithPurchase) -> Self {
        Self {
            email: row.customer_email.clone(),
            country: row.country.clone(),
            return_url: row.return_url.clone(),
            created_at: row.created_at.into(),
            checkout: (row, purchase_id).into(),
        }
    }
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
                checkouts: shown(checkout::of_user(conn, row.id)?),
                purchases: shown(purchase::of_user(conn, row.id)?),
                refunds: refund::of_user(conn, row.id)?
                    .into_iter()
                    .map(|row| Refund {
                        requested_by: None,
                        ..Refund::from(row)
                    })
                    .collect(),
                disputes: shown(dispute::of_user(conn, row.id)?),
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

fn shown<R, S: From<R>>(rows: Vec<R>) -> Vec<S> {
    rows.into_iter().map(S::from).collect()
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
        .change(actor, move |conn| people::ask_for_deletion(conn, user.id()))
        .await?;
    state.ring_if_deaf();
    Ok(accepted())
}
