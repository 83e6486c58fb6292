//! Lessons: watching one, and the owner's side.

use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Named, private};
use crate::app::AppState;
use crate::auth::extractors::MaybeUser;
use crate::auth::policy::{self, Viewer};
use crate::domain::enums::LessonStatus;
use crate::problem::Problem;
use crate::repositories::lesson::{self, LessonInCourse};

/// A lesson to watch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lesson {
    pub id: Uuid,
    pub course_id: Uuid,
    pub section_id: Uuid,
    pub name: String,
    #[schema(required = true)]
    pub description: Option<String>,
    #[schema(pattern = "^[A-Za-z0-9_-]{11}$", example = "dQw4w9WgXcQ")]
    pub youtube_video_id: String,
    pub status: LessonStatus,
    /// Whether the caller has ticked it off.
    pub completed: bool,
    /// Whether the caller may tick it off.
    pub can_complete: bool,
    /// The lesson before, across sections, among those that the caller may know of.
    #[schema(required = true)]
    pub previous_lesson: Option<Named>,
    /// The lesson after.
    #[schema(required = true)]
    pub next_lesson: Option<Named>,
}

impl Lesson {
    fn new(course_id: Uuid, found: LessonInCourse) -> Self {
        Self {
            id: found.id,
            course_id,
            section_id: found.section_id,
            can_complete: found.has_access && found.counts(),
            completed: found.has_access && found.completed,
            previous_lesson: Named::of(found.previous_id, found.previous_name),
            next_lesson: Named::of(found.next_id, found.next_name),
            name: found.name,
            description: found.description,
            youtube_video_id: found.youtube_video_id,
            status: found.status,
        }
    }
}

/// The path of a lesson in its course.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LessonPath {
    id: Uuid,
    lesson_id: Uuid,
}

/// Watch a lesson
///
/// A preview is for everybody; a public lesson for those who have the course. Previous and next go across
/// sections and skip what the caller may not know of.
#[utoipa::path(
    tag = "Learn", operation_id = "getLesson", security((), ("session" = [])),
    params(("id" = Uuid, Path, description = "The course."), ("lessonId" = Uuid, Path, description = "A lesson of that course.")),
    responses((status = 200, description = "The lesson.", body = Lesson), (status = 403, description = "course-access-required"))
)]
#[get("/v1/courses/{id}/lessons/{lessonId}")]
pub async fn watch(
    MaybeUser(user): MaybeUser,
    state: web::Data<AppState>,
    path: web::Path<LessonPath>,
) -> Result<HttpResponse, Problem> {
    let LessonPath {
        id: course_id,
        lesson_id,
    } = path.into_inner();
    let (user_id, is_admin) = user.map_or((None, false), |user| (Some(user.id()), user.is_admin()));
    let found = state
        .db
        .read(move |conn| {
            Ok(lesson::find_in_course(
                conn, course_id, lesson_id, user_id, is_admin,
            )?)
        })
        .await?;
    let viewer = match user_id {
        _ if is_admin => Viewer::Admin,
        Some(_) if found.has_access => Viewer::WithAccess,
        Some(_) => Viewer::WithoutAccess,
        None => Viewer::Anonymous,
    };
    policy::watch(found.status, viewer)?;
    Ok(private(&Lesson::new(course_id, found)))
}
