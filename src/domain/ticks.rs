//! The lessons that somebody ticked off.

use uuid::Uuid;

/// Whose ticks, and which: ids of lessons in their order, so that one is found fast among many. Nobody's, and none, by
/// default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ticks {
    pub learner: Uuid,
    lessons: Vec<Uuid>,
}

impl Ticks {
    /// The ticks of a learner.
    pub fn new(learner: Uuid, mut lessons: Vec<Uuid>) -> Self {
        lessons.sort_unstable();
        Self { learner, lessons }
    }

    /// Whether this lesson is complete.
    pub fn has(&self, lesson_id: Uuid) -> bool {
        self.lessons.binary_search(&lesson_id).is_ok()
    }

    /// How many lessons there are, those among them that count no longer.
    pub const fn len(&self) -> usize {
        self.lessons.len()
    }

    /// Whether nothing is ticked off.
    pub const fn is_empty(&self) -> bool {
        self.lessons.is_empty()
    }
}
