//! Courses: the player, and the owner's side.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Named, private};
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::domain::enums::{CourseSectionStatus, LessonStatus};
use crate::domain::progress::Progress;
use crate::problem::{Code, Problem};
use crate::repositories::course::CourseRow;
use crate::repositories::user_course_access;
use crate::repositories::user_lesson_complete::{self, PlayerLine};

/// A course as its learner plays it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Player {
    pub id: Uuid,
    pub name: String,
    pub description: String,
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
    pub sections: Vec<PlayerSection>,
}

/// A section in the player.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlayerSection {
    pub id: Uuid,
    pub name: String,
    pub status: CourseSectionStatus,
    pub lessons: Vec<PlayerLesson>,
}

/// A lesson in the player.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlayerLesson {
    pub id: Uuid,
    pub name: String,
    pub status: LessonStatus,
    pub completed: bool,
}

impl Player {
    fn new(course: CourseRow, lines: Vec<PlayerLine>) -> Self {
        let mut sections: Vec<PlayerSection> = Vec::new();
        let mut progress = Progress::default();
        let mut next_lesson = None;
        for PlayerLine {
            section: (id, name, section_status),
            lesson,
            completed,
        } in lines
        {
            if sections.last().is_none_or(|last| last.id != id) {
                sections.push(PlayerSection {
                    id,
                    name,
                    status: section_status,
                    lessons: Vec::new(),
                });
            }
            let (Some(section), Some((id, name, status))) = (sections.last_mut(), lesson) else {
                continue;
            };
            // The owner sees private parts too, but they count for nobody.
            if section_status == CourseSectionStatus::Public && status != LessonStatus::Private {
                progress.count(completed);
                if !completed && next_lesson.is_none() {
                    next_lesson = Some(Named {
                        id,
                        name: name.clone(),
                    });
                }
            }
            section.lessons.push(PlayerLesson {
                id,
                name,
                status,
                completed,
            });
        }
        Self {
            id: course.id,
            name: course.name,
            description: course.description,
            section_count: sections.len(),
            lesson_count: progress.counted,
            completed_lesson_count: progress.completed,
            percent: progress.percent(),
            next_lesson,
            sections,
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
    let player = state
        .db
        .read(move |conn| {
            let (course, has_access) = user_course_access::course_for(conn, user.id(), *id)?;
            if !has_access && !user.is_admin() {
                return Err(Problem::new(Code::CourseAccessRequired));
            }
            let lines =
                user_lesson_complete::player_outline(conn, user.id(), course.id, user.is_admin())?;
            Ok(Player::new(course, lines))
        })
        .await?;
    Ok(private(&player))
}
