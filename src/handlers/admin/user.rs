//! People and their roles, for the owner.

use actix_web::{HttpRequest, HttpResponse, get, patch, web};
use chrono::{DateTime, Utc};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::enums::UserRole;
use crate::domain::text::SearchText;
use crate::domain::time::Timestamp;
use crate::handlers::private;
use crate::handlers::user::User;
use crate::http::json::MergePatch;
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::http::patch;
use crate::problem::{Code, Problem};
use crate::repositories::user::{self, UserRow};

/// A person as the owner sees them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnedUser {
    #[serde(flatten)]
    pub user: User,
    /// When the account was deleted; nothing personal is left then.
    #[schema(required = true)]
    pub deleted_at: Option<Timestamp>,
}

impl From<UserRow> for OwnedUser {
    fn from(row: UserRow) -> Self {
        Self {
            deleted_at: row.deleted_at.map(Timestamp),
            user: row.into(),
        }
    }
}

/// Which people, and which page of them.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsersQuery {
    /// Name or e-mail address holds this text; one or two letters, a word of it begins with them.
    #[garde(dive)]
    #[param(inline)]
    q: Option<SearchText>,
    /// Only those with this role.
    #[garde(skip)]
    #[param(inline)]
    role: Option<UserRole>,
}

/// List people
#[utoipa::path(
    tag = "Admin: people", operation_id = "adminListUsers", params(UsersQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of people, newest first.", body = Page<OwnedUser>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/users")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<UsersQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "admin/users -createdAt";
    let after = place::<DateTime<Utc>>(asked.cursor.as_deref(), SORT)?;
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| {
            Ok(user::page(
                conn,
                query.role,
                query.q.as_deref(),
                after,
                size,
            )?)
        })
        .await?;
    let page = Page::new(found, SORT, |row| (row.created_at, row.id), OwnedUser::from)?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

/// Show a person
#[utoipa::path(
    tag = "Admin: people", operation_id = "adminGetUser", params(("id" = Uuid, Path, description = "The person.")), security(("session" = [])),
    responses((status = 200, description = "The person, also a deleted one.", body = OwnedUser))
)]
#[get("/v1/admin/users/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let row = state
        .db
        .read(move |conn| Ok(user::find(conn, *id)?))
        .await?;
    Ok(private(&OwnedUser::from(row)))
}

/// A change of a person: everything but the role is Clerk's.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateUser {
    #[garde(skip)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    role: Option<UserRole>,
}

/// Give a role
///
/// Counts from the person's next request on. The last admin cannot be demoted.
#[utoipa::path(
    tag = "Admin: people", operation_id = "adminUpdateUser", params(("id" = Uuid, Path, description = "The person.")), security(("session" = [])),
    request_body(content((UpdateUser = "application/merge-patch+json"), (UpdateUser = "application/json"))),
    responses((status = 200, description = "The person as they are now.", body = OwnedUser), (status = 409, description = "last-admin"))
)]
#[patch("/v1/admin/users/{id}")]
pub async fn update(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    MergePatch(input): MergePatch<UpdateUser>,
) -> Result<HttpResponse, Problem> {
    let row = state
        .db
        .change(admin.actor, move |conn| {
            let is_last_admin = user::lock_as_last_admin(conn, *id)?;
            match input.role {
                None => Ok(user::find(conn, *id)?),
                Some(UserRole::User) if is_last_admin => Err(Problem::new(Code::LastAdmin)),
                Some(role) => Ok(user::update_role(conn, *id, role)?),
            }
        })
        .await?;
    Ok(private(&OwnedUser::from(row)))
}
