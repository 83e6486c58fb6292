//! Ticking lessons off.

use actix_web::{HttpResponse, delete, put, web};
use uuid::Uuid;

use super::no_content;
use crate::app::AppState;
use crate::auth::extractors::CurrentUser;
use crate::problem::Problem;

/// Tick a lesson off
#[utoipa::path(
    tag = "Learn", operation_id = "completeLesson", params(("lessonId" = Uuid, Path, description = "A lesson of a course that the caller holds.")), security(("session" = [])),
    responses((status = 204, description = "It is complete, now or already."), (status = 403, description = "course-access-required"))
)]
#[put("/v1/me/lessons/{lessonId}/completion")]
pub async fn complete(
    user: CurrentUser,
    state: web::Data<AppState>,
    lesson_id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    set(user, &state, *lesson_id, true).await
}

/// Untick a lesson
#[utoipa::path(
    tag = "Learn", operation_id = "uncompleteLesson", params(("lessonId" = Uuid, Path, description = "A lesson of a course that the caller holds.")), security(("session" = [])),
    responses((status = 204, description = "It is not complete, now or already."), (status = 403, description = "course-access-required"))
)]
#[delete("/v1/me/lessons/{lessonId}/completion")]
pub async fn uncomplete(
    user: CurrentUser,
    state: web::Data<AppState>,
    lesson_id: web::Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    set(user, &state, *lesson_id, false).await
}

async fn set(
    user: CurrentUser,
    state: &AppState,
    lesson_id: Uuid,
    completed: bool,
) -> Result<HttpResponse, Problem> {
    state.ticking.set(user.person, lesson_id, completed).await?;
    Ok(no_content())
}
