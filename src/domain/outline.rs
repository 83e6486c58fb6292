//! A course with all that is live in it, as one value. The player, the lesson page, the list of my courses and the
//! product page are views of it.

use bytestring::ByteString;
use uuid::Uuid;

use super::enums::{CourseSectionStatus, LessonStatus};
use super::progress::Progress;
use super::ticks::Ticks;

/// A course that is not deleted. Its texts are parts of one buffer, so that they are close together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    pub id: Uuid,
    pub name: ByteString,
    pub description: ByteString,
    /// In their order, private ones among them.
    pub sections: Vec<Section>,
    /// In their order. Close together, because all of them are looked at for every learner's progress.
    pub counted: Box<[Counted]>,
}

/// A lesson that counts toward progress, and where it is: which section, and in it which lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub id: Uuid,
    section: u32,
    lesson: u32,
}

/// A section that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub id: Uuid,
    pub name: ByteString,
    pub status: CourseSectionStatus,
    /// In their order, private ones among them.
    pub lessons: Vec<Lesson>,
}

/// A lesson that is not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    pub id: Uuid,
    pub name: ByteString,
    pub description: Option<ByteString>,
    pub youtube_video_id: ByteString,
    pub status: LessonStatus,
}

/// How much of a course somebody may know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Public sections, and in them public and preview lessons: what counts toward progress.
    Public,
    /// Private ones too: the owner's.
    Whole,
}

/// A lesson between its neighbours, across sections.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub previous: Option<&'a Lesson>,
    pub section: &'a Section,
    pub lesson: &'a Lesson,
    pub next: Option<&'a Lesson>,
}

impl Outline {
    /// A course with these sections.
    pub fn new(
        id: Uuid,
        name: ByteString,
        description: ByteString,
        sections: Vec<Section>,
    ) -> Self {
        let counted = (0..).zip(&sections).flat_map(|(nth, section)| {
            let lessons = (0..).zip(&section.lessons);
            let counted = lessons.filter(|(_, lesson)| section.counts(lesson));
            counted.map(move |(lesson, &Lesson { id, .. })| Counted {
                id,
                section: nth,
                lesson,
            })
        });
        let counted = counted.collect();
        Self {
            id,
            name,
            description,
            sections,
            counted,
        }
    }

    /// The sections in sight, in order.
    pub fn sections(&self, sight: Sight) -> impl Iterator<Item = &Section> {
        let sections = self.sections.iter();
        sections.filter(move |section| section.is_in(sight))
    }

    /// The lessons in sight, in order.
    pub fn lessons(&self, sight: Sight) -> impl Iterator<Item = (&Section, &Lesson)> {
        self.sections(sight)
            .flat_map(move |section| section.lessons(sight).map(move |lesson| (section, lesson)))
    }

    /// A lesson in sight, between those in sight.
    pub fn place(&self, lesson_id: Uuid, sight: Sight) -> Option<Place<'_>> {
        let mut lessons = self.lessons(sight);
        let mut previous = None;
        while let Some((section, lesson)) = lessons.next() {
            if lesson.id == lesson_id {
                let next = lessons.next().map(|(_, next)| next);
                return Some(Place {
                    previous,
                    section,
                    lesson,
                    next,
                });
            }
            previous = Some(lesson);
        }
        None
    }

    /// How far somebody is, and the first lesson that is not complete.
    pub fn progress(&self, ticks: &Ticks) -> (Progress, Option<&Lesson>) {
        let mut progress = Progress::default();
        let mut next = None;
        for counted in &self.counted {
            let completed = ticks.has(counted.id);
            progress.count(completed);
            if !completed && next.is_none() {
                next = Some(counted);
            }
        }
        (progress, next.and_then(|next| self.lesson_at(*next)))
    }

    fn lesson_at(&self, counted: Counted) -> Option<&Lesson> {
        let section = self.sections.get(counted.section as usize)?;
        section.lessons.get(counted.lesson as usize)
    }
}

impl Section {
    /// The lessons in sight, in order, of a section that is in sight.
    pub fn lessons(&self, sight: Sight) -> impl Iterator<Item = &Lesson> {
        let lessons = self.lessons.iter();
        lessons.filter(move |lesson| lesson.is_in(sight))
    }

    fn is_in(&self, sight: Sight) -> bool {
        sight == Sight::Whole || self.status == CourseSectionStatus::Public
    }

    /// Whether a lesson of this section counts toward progress.
    pub fn counts(&self, lesson: &Lesson) -> bool {
        self.is_in(Sight::Public) && lesson.is_in(Sight::Public)
    }
}

impl Lesson {
    /// In a section that is in sight.
    fn is_in(&self, sight: Sight) -> bool {
        sight == Sight::Whole || self.status != LessonStatus::Private
    }
}
