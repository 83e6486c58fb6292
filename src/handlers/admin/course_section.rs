//! Sections of a course, for the owner.

use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use diesel::PgConnection;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Order;
use super::course::OwnedSectionWithLessons;
use super::lesson::OwnedLesson;
use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::enums::CourseSectionStatus;
use crate::domain::text::Name;
use crate::domain::time::Timestamp;
use crate::handlers::{no_content, private};
use crate::http::answer::Answer;
use crate::http::json::{Json, MergePatch};
use crate::http::page::Page;
use crate::http::patch;
use crate::problem::{Code, Problem};
use crate::repositories::course_section::{
    self, CourseSectionChanges, CourseSectionRow, NewCourseSection,
};
use crate::repositories::sibling_order::{self, Siblings};
use crate::repositories::{course, lesson};

/// A section as the owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnedSection {
    pub id: Uuid,
    pub course_id: Uuid,
    pub name: String,
    pub status: CourseSectionStatus,
    /// Its place among the course's sections, from 0, without gaps.
    #[schema(minimum = 0)]
    pub order: i64,
    /// When it was deleted; null while it is not.
    #[schema(required = true)]
    pub deleted_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl OwnedSection {
    /// A section with its place among the live ones.
    pub fn new(row: CourseSectionRow, order: i64) -> Self {
        Self {
            id: row.id,
            course_id: row.course_id,
            name: row.name,
            status: row.status,
            order,
            deleted_at: row.deleted_at.map(Timestamp),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

impl OwnedSection {
    fn placed(conn: &mut PgConnection, row: CourseSectionRow) -> Result<Self, Problem> {
        let order = course_section::position(conn, &row)?;
        Ok(Self::new(row, order))
    }
}

/// A section to be. It comes after the others.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSection {
    #[garde(dive)]
    name: Name,
    /// `private` unless said otherwise.
    #[garde(skip)]
    #[serde(default = "private_status")]
    #[schema(default = "private")]
    status: CourseSectionStatus,
}

const fn private_status() -> CourseSectionStatus {
    CourseSectionStatus::Private
}

/// A change of a section: an absent field keeps its value; none can be null.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSection {
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[garde(skip)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    status: Option<CourseSectionStatus>,
}

/// Add a section to a course
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminCreateSection", params(("id" = Uuid, Path, description = "The course.")), security(("session" = [])), request_body = CreateSection,
    responses((status = 201, description = "The new section.", body = OwnedSection, headers(("Location" = String, description = "Its address."))))
)]
#[post("/v1/admin/courses/{id}/sections")]
pub async fn create(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Json(input): Json<CreateSection>,
) -> Result<HttpResponse, Problem> {
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            let course = course::lock(conn, *id)?;
            let order = course_section::next_order(conn, course.id)?;
            let new = NewCourseSection {
                name: input.name.into(),
                status: input.status,
                order,
                course_id: course.id,
            };
            let row = course_section::insert(conn, &new)?;
            let location = format!("/v1/admin/sections/{}", row.id);
            Answer::created(&location, &OwnedSection::placed(conn, row)?)
        })
        .await?;
    Ok(answer.into())
}

/// Show a section to its owner
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminGetSection", params(("id" = Uuid, Path, description = "The section.")), security(("session" = [])),
    responses((status = 200, description = "The section, also a deleted one, with its lessons.", body = OwnedSectionWithLessons))
)]
#[get("/v1/admin/sections/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let section = state
        .db
        .read(move |conn| {
            let row = course_section::find_any(conn, *id)?;
            let order = course_section::position(conn, &row)?;
            let lessons = lesson::of_section(conn, row.id)?;
            Ok(OwnedSectionWithLessons {
                section: OwnedSection::new(row, order),
                lessons: (0..)
                    .zip(lessons)
                    .map(|(order, lesson)| OwnedLesson::new(lesson, order))
                    .collect(),
            })
        })
        .await?;
    Ok(private(&section))
}

/// Change a section
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminUpdateSection", params(("id" = Uuid, Path, description = "The section.")), security(("session" = [])),
    request_body(content((UpdateSection = "application/merge-patch+json"), (UpdateSection = "application/json"))),
    responses((status = 200, description = "The section as it is now.", body = OwnedSection))
)]
#[patch("/v1/admin/sections/{id}")]
pub async fn update(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    MergePatch(input): MergePatch<UpdateSection>,
) -> Result<HttpResponse, Problem> {
    let changes = CourseSectionChanges {
        name: input.name.map(Into::into),
        status: input.status,
    };
    let section = state
        .db
        .change(admin.actor, move |conn| {
            let row = course_section::update(conn, *id, &changes)?;
            OwnedSection::placed(conn, row)
        })
        .await?;
    Ok(private(&section))
}

/// Delete a section
///
/// Its lessons go out of sight with it; learners' ticks are kept.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminDeleteSection", params(("id" = Uuid, Path, description = "The section.")), security(("session" = [])),
    responses((status = 204, description = "It is deleted."))
)]
#[delete("/v1/admin/sections/{id}")]
pub async fn delete(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    state
        .db
        .change(admin.actor, move |conn| {
            Ok(course_section::soft_delete(conn, *id)?)
        })
        .await?;
    Ok(no_content())
}

/// Restore a section
///
/// At the place where it was, with its lessons as they were.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminRestoreSection", params(("id" = Uuid, Path, description = "The section.")), security(("session" = [])),
    responses((status = 200, description = "The section, restored now or never deleted.", body = OwnedSection), (status = 409, description = "parent-deleted"))
)]
#[post("/v1/admin/sections/{id}/restore")]
pub async fn restore(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            let deleted = course_section::find_any(conn, *id)?;
            if course::lock_any(conn, deleted.course_id)?
                .deleted_at
                .is_some()
            {
                return Err(Problem::new(Code::ParentDeleted));
            }
            let row = course_section::restore(conn, *id)?;
            Answer::ok(&OwnedSection::placed(conn, row)?)
        })
        .await?;
    Ok(answer.into())
}

/// Order the sections of a course
///
/// Takes every section that is not deleted, once.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminOrderSections", params(("id" = Uuid, Path, description = "The course.")), security(("session" = [])), request_body = Order,
    responses((status = 200, description = "The sections in their new order.", body = Page<OwnedSection>))
)]
#[put("/v1/admin/courses/{id}/sections/order")]
pub async fn reorder(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Json(input): Json<Order>,
) -> Result<HttpResponse, Problem> {
    let sections = state
        .db
        .change(admin.actor, move |conn| {
            let course = course::lock(conn, *id)?;
            let siblings: Vec<_> = course_section::of_course(conn, course.id)?
                .iter()
                .map(|row| row.id)
                .collect();
            input.check(&siblings)?;
            sibling_order::permute(conn, Siblings::SectionsOfCourse, course.id, &input.ids)?;
            Ok(course_section::of_course(conn, course.id)?)
        })
        .await?;
    let sections = (0..)
        .zip(sections)
        .map(|(order, row)| OwnedSection::new(row, order));
    Ok(private(&Page::whole(sections.collect())))
}
