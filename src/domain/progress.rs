//! How far a learner is in a course.

/// Lessons that count, and those of them that are complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub counted: usize,
    pub completed: usize,
}

impl Progress {
    /// Counts one more lesson.
    pub const fn count(&mut self, completed: bool) {
        self.counted += 1;
        self.completed += completed as usize;
    }

    /// Completed by counted, rounded down: 0 for an empty course, 100 only when all are complete.
    pub fn percent(self) -> u8 {
        let percent = (self.completed * 100)
            .checked_div(self.counted)
            .unwrap_or(0);
        u8::try_from(percent).unwrap_or(100)
    }
}
