//! Who may see what, as pure functions over facts that were read before.

use uuid::Uuid;

use super::extractors::CurrentUser;
use crate::domain::enums::LessonStatus;
use crate::domain::outline::Sight;
use crate::problem::{Code, Problem};

/// A caller, as far as a lesson's content is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    Anonymous,
    WithoutAccess,
    WithAccess,
    Admin,
}

impl Viewer {
    /// What a caller is to a course.
    pub fn of(user: Option<&CurrentUser>, course_id: Uuid) -> Self {
        match user {
            None => Self::Anonymous,
            Some(user) if user.is_admin() => Self::Admin,
            Some(user) if user.may_open(course_id) => Self::WithAccess,
            Some(_) => Self::WithoutAccess,
        }
    }

    /// What of the course they may know of.
    pub const fn sight(self) -> Sight {
        match self {
            Self::Admin => Sight::Whole,
            Self::Anonymous | Self::WithoutAccess | Self::WithAccess => Sight::Public,
        }
    }
}

/// Whether the player opens, with the whole outline of a course.
///
/// # Errors
/// 401 for the anonymous, 403 `course-access-required` for those who did not buy.
pub const fn play(viewer: Viewer) -> Result<(), Problem> {
    watch(LessonStatus::Public, viewer)
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
