//! Lessons: watching one, and the owner's side.

use actix_web::{HttpResponse, get, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Named, private};
use crate::app::AppState;
use crate::auth::extractors::{CurrentUser, MaybeUser};
use crate::auth::policy::{self, Viewer};
use crate::domain::enums::LessonStatus;
use crate::problem::{Code, Problem};

/// A lesson to watch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lesson<'a> {
    pub id: Uuid,
    pub course_id: Uuid,
    pub section_id: Uuid,
    pub name: &'a str,
    #[schema(required = true)]
    pub description: Option<&'a str>,
    #[schema(pattern = "^[A-Za-z0-9_-]{11}$", example = "dQw4w9WgXcQ")]
    pub youtube_video_id: &'a str,
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
    let learner = user.as_ref().map(CurrentUser::id);
    let (course, ticks) = state.cache.course(course_id, learner).await?;
    let viewer = Viewer::of(user.as_ref(), course_id);
    let place = course.place(lesson_id, viewer.sight());
    let place = place.ok_or(Problem::new(Code::NotFound))?;
    let lesson = place.lesson;
    policy::watch(lesson.status, viewer)?;
    let holds = user.is_some_and(|user| user.may_open(course_id));
    Ok(private(&Lesson {
        id: lesson.id,
        course_id,
        section_id: place.section.id,
        name: &lesson.name,
        description: lesson.description.as_deref(),
        youtube_video_id: &lesson.youtube_video_id,
        status: lesson.status,
        completed: holds && ticks.has(lesson.id),
        can_complete: holds && place.section.counts(lesson),
        previous_lesson: place.previous.map(Named::from),
        next_lesson: place.next.map(Named::from),
    }))
}
