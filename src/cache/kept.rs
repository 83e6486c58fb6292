//! What each kind of value depends on, and how much room it takes.

use std::mem::{size_of, size_of_val};

use uuid::Uuid;

use super::shelf::Keep;
use crate::auth::token::{Claims, Verified};
use crate::domain::outline::{Lesson, Outline, Section};
use crate::domain::ticks::Ticks;
use crate::freshness::Tag;
use crate::repositories::user::Person;
use crate::repositories::user_course_access::HeldCourse;

/// It depends on nothing in the database, and says itself until when it is good.
impl Keep for Verified {
    fn tags(&self) -> impl AsRef<[Tag]> {
        [Tag::Catalogue; 0]
    }

    fn weight(&self) -> usize {
        let claims = &self.claims;
        let texts = [&claims.sid, &claims.azp, &claims.sts];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        size_of::<Self>() + size_of::<Claims>() + claims.sub.len() + claims.iss.len() + texts
    }
}

impl Keep for Person {
    fn tags(&self) -> impl AsRef<[Tag]> {
        [Tag::User(self.row.id)]
    }

    fn weight(&self) -> usize {
        let texts = [&self.row.email, &self.row.name, &self.row.image_url];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        size_of::<Self>()
            + texts
            + 2 * self.row.clerk_user_id.len()
            + self.courses.len() * size_of::<Uuid>()
    }
}

impl Keep for Outline {
    fn tags(&self) -> impl AsRef<[Tag]> {
        [Tag::Course(self.id)]
    }

    fn weight(&self) -> usize {
        let of_lesson = |lesson: &Lesson| {
            let description = lesson.description.as_deref().map_or(0, str::len);
            size_of::<Lesson>() + lesson.name.len() + description + lesson.youtube_video_id.len()
        };
        let of_section = |section: &Section| {
            let lessons: usize = section.lessons.iter().map(of_lesson).sum();
            size_of::<Section>() + section.name.len() + lessons
        };
        let sections: usize = self.sections.iter().map(of_section).sum();
        let texts = self.name.len() + self.description.len();
        size_of::<Self>() + texts + sections + size_of_val(&*self.counted)
    }
}

/// The course in which a lesson counts toward progress.
#[derive(Debug)]
pub struct CountsIn(pub Uuid);

impl Keep for CountsIn {
    fn tags(&self) -> impl AsRef<[Tag]> {
        [Tag::Course(self.0)]
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl Keep for Ticks {
    fn tags(&self) -> impl AsRef<[Tag]> {
        [Tag::Progress(self.learner)]
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.len() * size_of::<Uuid>()
    }
}

/// The live courses that somebody holds, by name: names are in the order of the database, which is not ours to compare.
#[derive(Debug)]
pub struct Held {
    pub course_ids: Vec<Uuid>,
    /// The person and all their courses: any of these may be deleted or come back, or get a name that is somewhere
    /// else in the order.
    tags: Vec<Tag>,
}

impl Held {
    /// All courses of a person, in this order.
    pub fn new(learner: Uuid, courses: &[HeldCourse]) -> Self {
        let tags = courses.iter().map(|course| Tag::Course(course.id));
        let tags = tags.chain([Tag::User(learner)]).collect();
        let live = courses.iter().filter(|course| course.is_live);
        Self {
            course_ids: live.map(|course| course.id).collect(),
            tags,
        }
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        i64::try_from(self.course_ids.len()).unwrap_or(i64::MAX)
    }
}

impl Keep for Held {
    fn tags(&self) -> impl AsRef<[Tag]> {
        &self.tags
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.course_ids.len() * (size_of::<Uuid>() + size_of::<Tag>())
    }
}
