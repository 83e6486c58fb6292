//! Why somebody may open a course, and access given by hand, for the owner.

use actix_web::{HttpResponse, delete, get, post, web};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::enums::AccessSource;
use crate::domain::text::Reason;
use crate::domain::time::Timestamp;
use crate::handlers::{no_content, private};
use crate::http::answer::Answer;
use crate::http::json::Json;
use crate::http::page::Page;
use crate::problem::{Code, FieldError, Problem};
use crate::repositories::access_grant::{self, GrantRow};
use crate::repositories::{course, user};

/// Why somebody can or cannot open a course: all that was ever given.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CourseAccess {
    pub course_id: Uuid,
    pub course_name: String,
    /// Whether at least one grant is live.
    pub has_access: bool,
    /// Oldest first.
    pub grants: Vec<Grant>,
}

impl CourseAccess {
    /// Gathers grants that come course by course, each with the course's name.
    pub fn by_course(rows: Vec<(GrantRow, String)>) -> Vec<Self> {
        let mut courses: Vec<Self> = Vec::new();
        for (row, course_name) in rows {
            if courses
                .last()
                .is_none_or(|last| last.course_id != row.course_id)
            {
                let course_id = row.course_id;
                courses.push(Self {
                    course_id,
                    course_name,
                    has_access: false,
                    grants: Vec::new(),
                });
            }
            if let Some(course) = courses.last_mut() {
                course.has_access |= row.ended_at.is_none();
                course.grants.push(row.into());
            }
        }
        courses
    }
}

/// One reason for access.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    pub id: Uuid,
    pub course_id: Uuid,
    pub source: AccessSource,
    /// The purchase that gave it; null when it was given by hand.
    #[schema(required = true)]
    pub purchase_id: Option<Uuid>,
    /// Why it was given by hand.
    #[schema(required = true)]
    pub reason: Option<String>,
    pub live: bool,
    pub granted_at: Timestamp,
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
    /// `refund`, `dispute` or `revoked`.
    #[schema(required = true)]
    pub ended_because: Option<String>,
}

impl From<GrantRow> for Grant {
    fn from(row: GrantRow) -> Self {
        Self {
            id: row.id,
            course_id: row.course_id,
            source: row.source,
            purchase_id: row.purchase_id,
            reason: row.reason,
            live: row.ended_at.is_none(),
            granted_at: row.created_at.into(),
            ended_at: row.ended_at.map(Timestamp),
            ended_because: row.ended_because,
        }
    }
}

/// Explain somebody's access
///
/// For each course that they ever could open: which grants, live or ended, and why they ended.
#[utoipa::path(
    tag = "Admin: people", operation_id = "adminGetUserAccess", params(("id" = Uuid, Path, description = "The person.")), security(("session" = [])),
    responses((status = 200, description = "Course by course, by name.", body = Page<CourseAccess>))
)]
#[get("/v1/admin/users/{id}/access")]
pub async fn access(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let rows = state
        .db
        .read(move |conn| {
            user::find(conn, *id)?;
            Ok(access_grant::of_user(conn, *id)?)
        })
        .await?;
    Ok(private(&Page::whole(CourseAccess::by_course(rows))))
}

/// Access to be given by hand.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateGrant {
    #[garde(skip)]
    course_id: Uuid,
    #[garde(dive)]
    #[serde(default)]
    reason: Option<Reason>,
}

/// Give access by hand
///
/// Independent of what the person buys or gets refunded.
#[utoipa::path(
    tag = "Admin: people", operation_id = "adminCreateGrant", params(("id" = Uuid, Path, description = "The person.")), security(("session" = [])), request_body = CreateGrant,
    responses(
        (status = 201, description = "The grant.", body = Grant, headers(("Location" = String, description = "Where the person's access is explained."))),
        (status = 409, description = "already-granted"),
    )
)]
#[post("/v1/admin/users/{id}/grants")]
pub async fn create(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Json(input): Json<CreateGrant>,
) -> Result<HttpResponse, Problem> {
    let (user_id, granted_by) = (*id, admin.user.id());
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            if user::lock(conn, user_id)?.deleted_at.is_some() {
                return Err(Problem::new(Code::NotFound));
            }
            if course::lock_live(conn, &[input.course_id])?.is_empty() {
                let unknown =
                    FieldError::at("/courseId", "unknown-course", "there is no such course");
                return Err(Problem::invalid(vec![unknown]));
            }
            if access_grant::is_granted_by_hand(conn, user_id, input.course_id)? {
                return Err(Problem::new(Code::AlreadyGranted));
            }
            let reason = input.reason.map(Into::into);
            let grant =
                access_grant::grant_by_hand(conn, user_id, input.course_id, granted_by, reason)?;
            let location = format!("/v1/admin/users/{user_id}/access");
            Answer::created(&location, &Grant::from(grant))
        })
        .await?;
    Ok(answer.into())
}

/// The path of a person's grant.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantPath {
    id: Uuid,
    grant_id: Uuid,
}

/// Take back access that was given by hand
///
/// The course stays open while another grant for it is live. What a purchase gave ends with a refund.
#[utoipa::path(
    tag = "Admin: people", operation_id = "adminDeleteGrant", security(("session" = [])),
    params(("id" = Uuid, Path, description = "The person."), ("grantId" = Uuid, Path, description = "A live grant that was given by hand.")),
    responses((status = 204, description = "It has ended."))
)]
#[delete("/v1/admin/users/{id}/grants/{grantId}")]
pub async fn delete(
    admin: Admin,
    state: web::Data<AppState>,
    path: web::Path<GrantPath>,
) -> Result<HttpResponse, Problem> {
    let GrantPath { id, grant_id } = path.into_inner();
    state
        .db
        .change(admin.actor, move |conn| {
            user::lock(conn, id)?;
            Ok(access_grant::end_by_hand(conn, id, grant_id)?)
        })
        .await?;
    Ok(no_content())
}
