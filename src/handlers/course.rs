//! Courses: the player, and the owner's side.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Named, private};
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::auth::policy::{self, Viewer};
use crate::domain::enums::{CourseSectionStatus, LessonStatus};
use crate::domain::outline::{Outline, Section, Sight};
use crate::domain::ticks::Ticks;
use crate::problem::Problem;

/// A course as its learner plays it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Player<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub description: &'a str,
    pub section_count: usize,
    /// Lessons that count toward progress.
    pub lesson_count: usize,
    pub completed_lesson_count: usize,
    /// Completed by counted, rounded down; 100 only when all are complete.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: u8,
    /// Where to go on: the first lesson that is not complete; null when there is none.
    #[schema(required = true)]
    pub next_lesson: Option<Named>,
    pub sections: Vec<PlayerSection<'a>>,
}

/// A section in the player.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlayerSection<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub status: CourseSectionStatus,
    pub lessons: Vec<PlayerLesson<'a>>,
}

/// A lesson in the player.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlayerLesson<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub status: LessonStatus,
    pub completed: bool,
}

impl<'a> Player<'a> {
    fn new(course: &'a Outline, ticks: &Ticks, sight: Sight) -> Self {
        // The owner sees private parts too, but they count for nobody.
        let (progress, next_lesson) = course.progress(ticks);
        let sections = course.sections(sight);
        let sections: Vec<_> = sections
            .map(|section| PlayerSection::new(section, ticks, sight))
            .collect();
        Self {
            id: course.id,
            name: &course.name,
            description: &course.description,
            section_count: sections.len(),
            lesson_count: progress.counted,
            completed_lesson_count: progress.completed,
            percent: progress.percent(),
            next_lesson: next_lesson.map(Named::from),
            sections,
        }
    }
}

impl<'a> PlayerSection<'a> {
    fn new(section: &'a Section, ticks: &Ticks, sight: Sight) -> Self {
        let lessons = section.lessons(sight).map(|lesson| PlayerLesson {
            id: lesson.id,
            name: &lesson.name,
            status: lesson.status,
            completed: ticks.has(lesson.id),
        });
        Self {
            id: section.id,
            name: &section.name,
            status: section.status,
            lessons: lessons.collect(),
        }
    }
}

/// Open a course in the player
///
/// The whole outline with what is complete, in one request however many lessons there are.
#[utoipa::path(
    tag = "Learn", operation_id = "getCourse", params(("id" = Uuid, Path, description = "The course.")), security(("session" = [])),
    responses((status = 200, description = "The course.", body = Player), (status = 403, description = "course-access-required"))
)]
#[get("/v1/courses/{id}")]
pub async fn player(
    user: CurrentUser,
    state: web::Data<AppState>,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let (course, ticks) = state.cache.course(*id, Some(user.id())).await?;
    let viewer = Viewer::of(Some(&user), *id);
    policy::play(viewer)?;
    Ok(private(&Player::new(&course, &ticks, viewer.sight())))
}
