//! The courses that a learner holds.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Named;
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::domain::outline::{Outline, Sight};
use crate::domain::ticks::Ticks;
use crate::http::page::{Page, PageQuery, place};
use crate::http::query::Query;
use crate::problem::Problem;

/// A course that the caller may open, with the progress in it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MyCourse {
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
    /// Where to go on; null when everything is complete.
    #[schema(required = true)]
    pub next_lesson: Option<Named>,
}

impl MyCourse {
    fn new(course: &Outline, ticks: &Ticks) -> Self {
        let (progress, next_lesson) = course.progress(ticks);
        Self {
            id: course.id,
            name: course.name.to_string(),
            description: course.description.to_string(),
            section_count: course.sections(Sight::Public).count(),
            lesson_count: progress.counted,
            completed_lesson_count: progress.completed,
            percent: progress.percent(),
            next_lesson: next_lesson.map(Named::from),
        }
    }
}

/// List my courses
#[utoipa::path(
    tag = "Learn", operation_id = "listMyCourses", params(PageQuery), security(("session" = [])),
    responses((status = 200, description = "A page of the caller's courses, by name.", body = Page<MyCourse>), (status = 400, description = "invalid-cursor"))
)]
#[get("/v1/me/courses")]
pub async fn my_courses(
    request: HttpRequest,
    user: CurrentUser,
    state: web::Data<AppState>,
    Query(query): Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    const SORT: &str = "me/courses name";
    let after = place(query.cursor.as_deref(), SORT)?;
    let (found, ticks) = state
        .cache
        .held_courses(user.id(), after, query.size())
        .await?;
    let page = Page::new(
        found,
        SORT,
        |course| (course.name.to_string(), course.id),
        |course| MyCourse::new(&course, &ticks),
    )?;
    Ok(page.to_response(&request, super::PRIVATE_CACHE))
}
