//! People: who the caller is.

use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::private;
use crate::auth::extractors::CurrentUser;
use crate::domain::enums::UserRole;
use crate::domain::time::Timestamp;
use crate::problem::Problem;
use crate::repositories::user::UserRow;

/// A person. Name, e-mail and picture come from Clerk and are null until Clerk has told them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: Uuid,
    #[schema(example = "user_29w83sxmDNGwOuEthce5gg56FcC")]
    pub clerk_user_id: String,
    #[schema(required = true)]
    pub name: Option<String>,
    /// The verified primary address.
    #[schema(required = true)]
    pub email: Option<String>,
    #[schema(required = true)]
    pub image_url: Option<String>,
    pub role: UserRole,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            clerk_user_id: row.clerk_user_id,
            name: row.name,
            email: row.email,
            image_url: row.image_url,
            role: row.role,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// Who am I
///
/// The first call with a valid token creates the person here.
#[utoipa::path(
    tag = "Learn", operation_id = "getMe", security(("session" = [])),
    responses((status = 200, description = "The caller.", body = User))
)]
#[get("/v1/me")]
pub async fn me(user: CurrentUser) -> Result<HttpResponse, Problem> {
    Ok(private(&User::from(user.row())))
}
