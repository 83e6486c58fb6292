//! Lessons, for the owner.

use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use diesel::PgConnection;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Order;
use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::enums::LessonStatus;
use crate::domain::text::{Description, Name};
use crate::domain::time::Timestamp;
use crate::domain::video_id::YoutubeVideoId;
use crate::handlers::{no_content, private};
use crate::http::answer::Answer;
use crate::http::json::{Json, MergePatch};
use crate::http::page::Page;
use crate::http::patch;
use crate::problem::{Code, FieldError, Problem};
use crate::repositories::course_section;
use crate::repositories::lesson::{self, LessonChanges, LessonRow, NewLesson};
use crate::repositories::sibling_order::{self, Siblings};

/// A lesson as the owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnedLesson {
    pub id: Uuid,
    pub section_id: Uuid,
    pub name: String,
    #[schema(required = true)]
    pub description: Option<String>,
    #[schema(pattern = "^[A-Za-z0-9_-]{11}$", example = "dQw4w9WgXcQ")]
    pub youtube_video_id: String,
    pub status: LessonStatus,
    /// Its place among the section's lessons, from 0, without gaps.
    #[schema(minimum = 0)]
    pub order: i64,
    /// When it was deleted; null while it is not.
    #[schema(required = true)]
    pub deleted_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl OwnedLesson {
    /// A lesson with its place among the live ones.
    pub fn new(row: LessonRow, order: i64) -> Self {
        Self {
            id: row.id,
            section_id: row.section_id,
            name: row.name,
            description: row.description,
            youtube_video_id: row.youtube_video_id,
            status: row.status,
            order,
            deleted_at: row.deleted_at.map(Timestamp),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }

    fn placed(conn: &mut PgConnection, row: LessonRow) -> Result<Self, Problem> {
        let order = lesson::position(conn, &row)?;
        Ok(Self::new(row, order))
    }
}

/// A lesson to be. It comes after the others of its section.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateLesson {
    #[garde(dive)]
    name: Name,
    #[garde(dive)]
    #[serde(default)]
    description: Option<Description>,
    #[garde(dive)]
    youtube_video_id: YoutubeVideoId,
    /// `private` unless said otherwise.
    #[garde(skip)]
    #[serde(default = "private_status")]
    #[schema(default = "private")]
    status: LessonStatus,
}

const fn private_status() -> LessonStatus {
    LessonStatus::Private
}

/// A change of a lesson: an absent field keeps its value; only the description can be null.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateLesson {
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set_or_clear")]
    #[schema(value_type = Option<Description>)]
    description: Option<Option<Description>>,
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    youtube_video_id: Option<YoutubeVideoId>,
    #[garde(skip)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    status: Option<LessonStatus>,
    /// Moves the lesson to the end of another section.
    #[garde(skip)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    section_id: Option<Uuid>,
}

/// Add a lesson to a section
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminCreateLesson", params(("id" = Uuid, Path, description = "The section.")), security(("session" = [])), request_body = CreateLesson,
    responses((status = 201, description = "The new lesson.", body = OwnedLesson, headers(("Location" = String, description = "Its address."))))
)]
#[post("/v1/admin/sections/{id}/lessons")]
pub async fn create(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Json(input): Json<CreateLesson>,
) -> Result<HttpResponse, Problem> {
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            let section = course_section::lock(conn, *id)?;
            let new = NewLesson {
                name: input.name.into(),
                description: input.description.map(Into::into),
                youtube_video_id: input.youtube_video_id.into(),
                order: lesson::next_order(conn, section.id)?,
                status: input.status,
                section_id: section.id,
            };
            let row = lesson::insert(conn, &new)?;
            let location = format!("/v1/admin/lessons/{}", row.id);
            Answer::created(&location, &OwnedLesson::placed(conn, row)?)
        })
        .await?;
    Ok(answer.into())
}

/// Show a lesson to its owner
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminGetLesson", params(("id" = Uuid, Path, description = "The lesson, also a deleted one.")), security(("session" = [])),
    responses((status = 200, description = "The lesson.", body = OwnedLesson))
)]
#[get("/v1/admin/lessons/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let lesson = state
        .db
        .read(move |conn| {
            let row = lesson::find_any(conn, *id)?;
            OwnedLesson::placed(conn, row)
        })
        .await?;
    Ok(private(&lesson))
}

/// Change or move a lesson
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminUpdateLesson", params(("id" = Uuid, Path, description = "The lesson.")), security(("session" = [])),
    request_body(content((UpdateLesson = "application/merge-patch+json"), (UpdateLesson = "application/json"))),
    responses((status = 200, description = "The lesson as it is now.", body = OwnedLesson))
)]
#[patch("/v1/admin/lessons/{id}")]
pub async fn update(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    MergePatch(input): MergePatch<UpdateLesson>,
) -> Result<HttpResponse, Problem> {
    let (id, target) = (*id, input.section_id);
    let lock = move |conn: &mut PgConnection| match target {
        Some(target) => lock_sections(conn, id, target),
        None => Ok(()),
    };
    let lesson = state
        .db
        .change_behind(lock, admin.actor, move |conn| {
            let mut changes = LessonChanges {
                name: input.name.map(Into::into),
                description: input
                    .description
                    .map(|description| description.map(Into::into)),
                youtube_video_id: input.youtube_video_id.map(Into::into),
                status: input.status,
                section_id: None,
                order: None,
            };
            if let Some(target) = target
                && lesson::find(conn, id)?.section_id != target
            {
                changes.order = Some(lesson::next_order(conn, target)?);
                changes.section_id = Some(target);
            }
            let row = lesson::update(conn, id, &changes)?;
            OwnedLesson::placed(conn, row)
        })
        .await?;
    Ok(private(&lesson))
}

/// Locks both sections of a move, in an order that is the same for everybody.
fn lock_sections(conn: &mut PgConnection, id: Uuid, target: Uuid) -> Result<(), Problem> {
    let unknown = || FieldError::at("/sectionId", "unknown-section", "there is no such section");
    let source = lesson::find(conn, id)?.section_id;
    for section in [source.min(target), source.max(target)] {
        course_section::lock(conn, section).map_err(|error| match error {
            diesel::NotFound => Problem::invalid(vec![unknown()]),
            error => error.into(),
        })?;
    }
    Ok(())
}

/// Delete a lesson
///
/// Learners' ticks are kept.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminDeleteLesson", params(("id" = Uuid, Path, description = "The lesson.")), security(("session" = [])),
    responses((status = 204, description = "It is deleted."))
)]
#[delete("/v1/admin/lessons/{id}")]
pub async fn delete(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    state
        .db
        .change(admin.actor, move |conn| Ok(lesson::soft_delete(conn, *id)?))
        .await?;
    Ok(no_content())
}

/// Restore a lesson
///
/// At the place where it was.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminRestoreLesson", params(("id" = Uuid, Path, description = "The lesson.")), security(("session" = [])),
    responses((status = 200, description = "The lesson, restored now or never deleted.", body = OwnedLesson), (status = 409, description = "parent-deleted"))
)]
#[post("/v1/admin/lessons/{id}/restore")]
pub async fn restore(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            let deleted = lesson::find_any(conn, *id)?;
            course_section::lock(conn, deleted.section_id).map_err(|error| match error {
                diesel::NotFound => Problem::new(Code::ParentDeleted),
                error => error.into(),
            })?;
            let row = lesson::restore(conn, *id)?;
            Answer::ok(&OwnedLesson::placed(conn, row)?)
        })
        .await?;
    Ok(answer.into())
}

/// Order the lessons of a section
///
/// Takes every lesson that is not deleted, once.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminOrderLessons", params(("id" = Uuid, Path, description = "The section.")), security(("session" = [])), request_body = Order,
    responses((status = 200, description = "The lessons in their new order.", body = Page<OwnedLesson>))
)]
#[put("/v1/admin/sections/{id}/lessons/order")]
pub async fn reorder(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Json(input): Json<Order>,
) -> Result<HttpResponse, Problem> {
    let lessons = state
        .db
        .change(admin.actor, move |conn| {
            let section = course_section::lock(conn, *id)?;
            let siblings: Vec<_> = lesson::of_section(conn, section.id)?
                .iter()
                .map(|row| row.id)
                .collect();
            input.check(&siblings)?;
            sibling_order::permute(conn, Siblings::LessonsOfSection, section.id, &input.ids)?;
            Ok(lesson::of_section(conn, section.id)?)
        })
        .await?;
    let lessons = (0..)
        .zip(lessons)
        .map(|(order, row)| OwnedLesson::new(row, order));
    Ok(private(&Page::whole(lessons.collect())))
}
