//! The courses that a learner holds.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Named;
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::domain::progress::Progress;
use crate::http::page::{Page, PageQuery, place};
use crate::http::query::Query;
use crate::problem::Problem;
use crate::repositories::user_course_access;

/// A course that the caller may open, with the progress in it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MyCourse {
    pub id: Uuid,
    pub name: String,
    pub description: String,
    pub section_count: i64,
    /// Lessons that count toward progress.
    pub lesson_count: i64,
    pub completed_lesson_count: i64,
    /// Completed by counted, rounded down; 100 only when all are complete.
    #[schema(minimum = 0, maximum = 100)]
    pub percent: u8,
    /// Where to go on; null when everything is complete.
    #[schema(required = true)]
    pub next_lesson: Option<Named>,
}

impl From<user_course_access::MyCourse> for MyCourse {
    fn from(row: user_course_access::MyCourse) -> Self {
        let count = |count| usize::try_from(count).unwrap_or(0);
        let progress = Progress {
            counted: count(row.lesson_count),
            completed: count(row.completed_lesson_count),
        };
        Self {
            id: row.id,
            name: row.name,
            description: row.description,
            section_count: row.section_count,
            lesson_count: row.lesson_count,
            completed_lesson_count: row.completed_lesson_count,
            percent: progress.percent(),
            next_lesson: Named::of(row.next_lesson_id, row.next_lesson_name),
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
    let after = place::<String>(query.cursor.as_deref(), SORT)?;
    let size = query.size();
    let found = state
        .db
        .read(move |conn| {
            Ok(user_course_access::my_courses(
                conn,
                user.id(),
                after.as_ref(),
                size,
            )?)
        })
        .await?;
    let page = Page::new(
        found,
        SORT,
        |row| (row.name.clone(), row.id),
        MyCourse::from,
    )?;
    Ok(page.to_response(&request, super::PRIVATE_CACHE))
}
