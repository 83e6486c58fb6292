//! Courses, for the owner.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::course_section::OwnedSection;
use super::lesson::OwnedLesson;
use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::domain::deleted::Deleted;
use crate::domain::slice::Slice;
use crate::domain::text::{Description, Name, SearchText};
use crate::domain::time::Timestamp;
use crate::handlers::{no_content, private};
use crate::http::answer::Answer;
use crate::http::json::{Json, MergePatch};
use crate::http::page::{Listing, Page, PageQuery, place};
use crate::http::patch;
use crate::http::query::Query;
use crate::problem::{Code, Problem};
use crate::repositories::course::{
    self, AdminCourse, CourseChanges, CourseFilter, CourseOrder, NewCourse,
};
use crate::repositories::course_section::CourseSectionRow;
use crate::repositories::lesson::LessonRow;
use crate::repositories::{course_product, course_section, lesson};

/// A course as the owner sees it. Counts leave out what is deleted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnedCourse {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub section_count: i64,
    pub lesson_count: i64,
    /// People who may open it.
    pub student_count: i64,
    /// When it was deleted; null while it is not.
    #[schema(required = true)]
    pub deleted_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<AdminCourse> for OwnedCourse {
    fn from(found: AdminCourse) -> Self {
        Self {
            id: found.course.id,
            name: found.course.name,
            description: found.course.description,
            section_count: found.section_count,
            lesson_count: found.lesson_count,
            student_count: found.student_count,
            deleted_at: found.course.deleted_at.map(Timestamp),
            created_at: found.course.created_at.into(),
            updated_at: found.course.updated_at.into(),
        }
    }
}

/// A course with its sections and lessons, private ones too.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnedCourseDetail {
    #[serde(flatten)]
    pub course: OwnedCourse,
    pub sections: Vec<OwnedSectionWithLessons>,
}

/// A section with its lessons.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnedSectionWithLessons {
    #[serde(flatten)]
    pub section: OwnedSection,
    pub lessons: Vec<OwnedLesson>,
}

/// A course to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateCourse {
    #[garde(dive)]
    name: Name,
    #[garde(dive)]
    description: Description,
}

/// A change of a course: an absent field keeps its value; none can be null.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateCourse {
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    name: Option<Name>,
    #[garde(dive)]
    #[serde(default, deserialize_with = "patch::set")]
    #[schema(nullable = false)]
    description: Option<Description>,
}

/// The order of courses; a minus sign turns it round.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
pub enum CourseSort {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDescending,
    #[serde(rename = "createdAt")]
    CreatedAt,
    #[default]
    #[serde(rename = "-createdAt")]
    CreatedAtDescending,
}

impl CourseSort {
    /// The list and its order, as cursors name them.
    const fn place(self) -> &'static str {
        match self {
            Self::Name => "admin/courses name",
            Self::NameDescending => "admin/courses -name",
            Self::CreatedAt => "admin/courses createdAt",
            Self::CreatedAtDescending => "admin/courses -createdAt",
        }
    }

    fn after(self, cursor: Option<&str>) -> Result<CourseOrder, Problem> {
        let sort = self.place();
        Ok(match self {
            Self::Name => CourseOrder::Name(place(cursor, sort)?),
            Self::NameDescending => CourseOrder::NameDescending(place(cursor, sort)?),
            Self::CreatedAt => CourseOrder::CreatedAt(place(cursor, sort)?),
            Self::CreatedAtDescending => CourseOrder::CreatedAtDescending(place(cursor, sort)?),
        })
    }

    fn page(self, found: Slice<AdminCourse>) -> Result<Page<OwnedCourse>, Problem> {
        let (sort, present) = (self.place(), OwnedCourse::from);
        match self {
            Self::Name | Self::NameDescending => {
                let key = |row: &AdminCourse| (row.course.name.clone(), row.course.id);
                Page::new(found, sort, key, present)
            }
            Self::CreatedAt | Self::CreatedAtDescending => {
                let key = |row: &AdminCourse| (row.course.created_at, row.course.id);
                Page::new(found, sort, key, present)
            }
        }
    }
}

/// Which courses, in which order.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CoursesQuery {
    /// Words, or their beginnings, in name or description; a single word may be mistyped.
    #[garde(dive)]
    #[param(inline)]
    q: Option<SearchText>,
    /// Only courses of this product.
    #[garde(skip)]
    product_id: Option<Uuid>,
    /// `only`: what was deleted, instead of what was not.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    deleted: Deleted,
    /// `-createdAt`, the newest first, unless said otherwise.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    sort: CourseSort,
}

/// List courses
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminListCourses", params(CoursesQuery, PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of courses, newest first unless another order is asked for.", body = Page<OwnedCourse>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/admin/courses")]
pub async fn list(
    request: HttpRequest,
    _: Admin,
    state: web::Data<AppState>,
    Listing(query, asked): Listing<CoursesQuery>,
) -> Result<HttpResponse, Problem> {
    let order = query.sort.after(asked.cursor.as_deref())?;
    let filter = CourseFilter {
        deleted: query.deleted,
        search: query.q.map(Into::into),
        product_id: query.product_id,
    };
    let size = asked.size();
    let found = state
        .db
        .read(move |conn| Ok(course::admin_page(conn, &filter, order, size)?))
        .await?;
    let page = query.sort.page(found)?;
    Ok(page.to_response(&request, crate::handlers::PRIVATE_CACHE))
}

/// Create a course
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminCreateCourse", security(("session" = [])), request_body = CreateCourse,
    responses((status = 201, description = "The new course.", body = OwnedCourse, headers(("Location" = String, description = "Its address."))))
)]
#[post("/v1/admin/courses")]
pub async fn create(
    admin: Admin,
    state: web::Data<AppState>,
    Json(input): Json<CreateCourse>,
) -> Result<HttpResponse, Problem> {
    let new = NewCourse {
        name: input.name.into(),
        description: input.description.into(),
    };
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            let id = course::insert(conn, &new)?;
            let course = OwnedCourse::from(course::admin_find(conn, id)?);
            Answer::created(&format!("/v1/admin/courses/{id}"), &course)
        })
        .await?;
    Ok(answer.into())
}

/// Which parts of a course.
#[derive(Debug, Deserialize, Validate, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DetailQuery {
    /// `include`: deleted sections and lessons too; `only`: nothing but what is deleted or holds it.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    deleted: Deleted,
}

/// Show a course to its owner
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminGetCourse", params(("id" = Uuid, Path, description = "The course."), DetailQuery), security(("session" = [])),
    responses((status = 200, description = "The course, also a deleted one, with its sections and lessons.", body = OwnedCourseDetail))
)]
#[get("/v1/admin/courses/{id}")]
pub async fn show(
    _: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    Query(query): Query<DetailQuery>,
) -> Result<HttpResponse, Problem> {
    let detail = state
        .db
        .read(move |conn| {
            let course = OwnedCourse::from(course::admin_find(conn, *id)?);
            let sections = course_section::all_of_course(conn, *id)?;
            let lessons = lesson::all_of_course(conn, *id)?;
            Ok(OwnedCourseDetail {
                course,
                sections: nest(sections, lessons, query.deleted),
            })
        })
        .await?;
    Ok(private(&detail))
}

/// Puts the lessons into their sections, each with its place among the live ones, and leaves out what is not asked for.
fn nest(
    sections: Vec<CourseSectionRow>,
    mut lessons: Vec<LessonRow>,
    deleted: Deleted,
) -> Vec<OwnedSectionWithLessons> {
    let mut order = 0;
    let nested = sections.into_iter().map(|section| {
        let mut place = 0;
        let of_section = lessons
            .extract_if(.., |lesson| lesson.section_id == section.id)
            .map(|lesson| {
                let lesson = OwnedLesson::new(lesson, place);
                place += i64::from(lesson.deleted_at.is_none());
                lesson
            });
        let lessons = of_section.collect();
        let section = OwnedSection::new(section, order);
        order += i64::from(section.deleted_at.is_none());
        OwnedSectionWithLessons { section, lessons }
    });
    let asked_for = nested.filter_map(|mut nested: OwnedSectionWithLessons| {
        let section_deleted = nested.section.deleted_at.is_some();
        match deleted {
            Deleted::Include => return Some(nested),
            Deleted::No => nested.lessons.retain(|lesson| lesson.deleted_at.is_none()),
            Deleted::Only => nested
                .lessons
                .retain(|lesson| section_deleted || lesson.deleted_at.is_some()),
        }
        let keep = if deleted == Deleted::No {
            !section_deleted
        } else {
            section_deleted || !nested.lessons.is_empty()
        };
        keep.then_some(nested)
    });
    asked_for.collect()
}

/// Change a course
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminUpdateCourse", params(("id" = Uuid, Path, description = "The course.")), security(("session" = [])),
    request_body(content((UpdateCourse = "application/merge-patch+json"), (UpdateCourse = "application/json"))),
    responses((status = 200, description = "The course as it is now.", body = OwnedCourse))
)]
#[patch("/v1/admin/courses/{id}")]
pub async fn update(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
    MergePatch(input): MergePatch<UpdateCourse>,
) -> Result<HttpResponse, Problem> {
    let changes = CourseChanges {
        name: input.name.map(Into::into),
        description: input.description.map(Into::into),
    };
    let course = state
        .db
        .change(admin.actor, move |conn| {
            course::update(conn, *id, &changes)?;
            Ok(OwnedCourse::from(course::admin_find(conn, *id)?))
        })
        .await?;
    Ok(private(&course))
}

/// Delete a course
///
/// Refused while a product that is not deleted holds it: its buyers would pay for nothing.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminDeleteCourse", params(("id" = Uuid, Path, description = "The course.")), security(("session" = [])),
    responses((status = 204, description = "It is deleted."), (status = 409, description = "course-in-use"))
)]
#[delete("/v1/admin/courses/{id}")]
pub async fn delete(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    state
        .db
        .change(admin.actor, move |conn| {
            course::lock(conn, *id)?;
            let products = course_product::product_names_of_course(conn, *id)?;
            if !products.is_empty() {
                let detail = format!("The course is in these products: {}. Take it out of them, or delete them, first.", products.join(", "));
                return Err(Problem::new(Code::CourseInUse).detail(detail));
            }
            Ok(course::soft_delete(conn, *id)?)
        })
        .await?;
    Ok(no_content())
}

/// Restore a course
///
/// With its sections and lessons as they were.
#[utoipa::path(
    tag = "Admin: courses", operation_id = "adminRestoreCourse", params(("id" = Uuid, Path, description = "The course.")), security(("session" = [])),
    responses((status = 200, description = "The course, restored now or never deleted.", body = OwnedCourse))
)]
#[post("/v1/admin/courses/{id}/restore")]
pub async fn restore(
    admin: Admin,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let answer = state
        .db
        .answer(admin.actor, move |conn| {
            course::restore(conn, *id)?;
            Answer::ok(&OwnedCourse::from(course::admin_find(conn, *id)?))
        })
        .await?;
    Ok(answer.into())
}
