//! Who may see what, as pure functions over facts that were read before.

use crate::domain::enums::LessonStatus;
use crate::problem::{Code, Problem};

/// A caller, as far as a lesson's content is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    Anonymous,
    WithoutAccess,
    WithAccess,
    Admin,
}

/// Whether a lesson that the caller may know of (public section; public or preview) opens for them.
///
/// # Errors
/// 401 for the anonymous, 403 `course-access-required` for those who did not buy.
pub const fn watch(status: LessonStatus, viewer: Viewer) -> Result<(), Problem> {
    match (status, viewer) {
        (_, Viewer::Admin)
        | (LessonStatus::Preview, _)
        | (LessonStatus::Public, Viewer::WithAccess) => Ok(()),
        (LessonStatus::Public, Viewer::Anonymous) => Err(Problem::new(Code::Unauthenticated)),
        (LessonStatus::Public, Viewer::WithoutAccess) => {
            Err(Problem::new(Code::CourseAccessRequired))
        }
        (LessonStatus::Private, _) => Err(Problem::new(Code::NotFound)),
    }
}
