//! `courses` with their `course_sections` and `lessons`, as [`Outline`]s.

use bytes::BytesMut;
use bytestring::ByteString;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::enums::{CourseSectionStatus, LessonStatus};
use crate::domain::outline::{Lesson, Outline, Section};
use crate::schema::{course_sections, courses, lessons};

/// A line: a course, and as far as it has them, a section and a lesson of it. Only the first line of a course says
/// what the course is called, and what about.
type Line = (
    Uuid,
    (Option<String>, Option<String>),
    Option<(Uuid, String, CourseSectionStatus)>,
    Option<(Uuid, String, Option<String>, String, LessonStatus)>,
);

/// The courses that are not deleted, each with all that is live in it.
pub fn find_all(conn: &mut PgConnection, course_ids: &[Uuid]) -> QueryResult<Vec<Outline>> {
    const FIRST: &str = r#"CASE WHEN row_number() OVER (
        PARTITION BY courses.id ORDER BY course_sections."order", lessons."order"
    ) = 1 THEN "#;
    let sections = course_sections::table.on(course_sections::course_id
        .eq(courses::id)
        .and(course_sections::deleted_at.is_null()));
    let live_lessons = lessons::table.on(lessons::section_id
        .eq(course_sections::id)
        .and(lessons::deleted_at.is_null()));
    let lines = courses::table
        .left_join(sections)
        .left_join(live_lessons)
        .filter(courses::deleted_at.is_null())
        .order((courses::id, course_sections::order, lessons::order))
        .select((
            courses::id,
            (
                sql::<Nullable<Text>>(FIRST).sql("courses.name END"),
                sql::<Nullable<Text>>(FIRST).sql("courses.description END"),
            ),
            (
                course_sections::id,
                course_sections::name,
                course_sections::status,
            )
                .nullable(),
            (
                lessons::id,
                lessons::name,
                lessons::description,
                lessons::youtube_video_id,
                lessons::status,
            )
                .nullable(),
        ))
        .into_boxed();
    // Of one, Postgres knows what to expect, and keeps a plan that fits. Of a list it does not.
    let lines = match course_ids {
        [id] => lines.filter(courses::id.eq(id)),
        ids => lines.filter(courses::id.eq_any(ids)),
    };
    let lines: Vec<Line> = Prepared(lines).load(conn)?;
    let courses = lines.chunk_by(|(one, ..), (other, ..)| one == other);
    Ok(courses.filter_map(outline).collect())
}

/// The outline of a course, from its lines in order.
fn outline(lines: &[Line]) -> Option<Outline> {
    let (id, (name, description), ..) = lines.first()?;
    let mut texts = Texts::new(lines);
    let name = texts.keep(name.as_ref()?);
    let description = texts.keep(description.as_ref()?);
    let section_of = |(.., section, _): &Line| section.as_ref().map(|(id, ..)| *id);
    let sections = lines.chunk_by(|one, other| section_of(one) == section_of(other));
    let sections = sections.filter_map(|lines| {
        let (.., section, _) = lines.first()?;
        let (id, name, status) = section.as_ref()?;
        let name = texts.keep(name);
        let lessons = lines.iter().filter_map(|(.., lesson)| lesson.as_ref());
        let lessons = lessons.map(|(id, name, description, youtube_video_id, status)| Lesson {
            id: *id,
            name: texts.keep(name),
            description: description.as_ref().map(|text| texts.keep(text)),
            youtube_video_id: texts.keep(youtube_video_id),
            status: *status,
        });
        Some(Section {
            id: *id,
            name,
            status: *status,
            lessons: lessons.collect(),
        })
    });
    let sections = sections.collect();
    Some(Outline::new(*id, name, description, sections))
}

/// A buffer for all texts of a course.
struct Texts(BytesMut);

impl Texts {
    fn new(lines: &[Line]) -> Self {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let lengths = lines.iter().map(|(_, (name, about), section, lesson)| {
            let section = section.as_ref().map_or(0, |(_, name, _)| name.len());
            let lesson = lesson.as_ref().map_or(0, |(_, name, about, video, _)| {
                name.len() + length(about) + video.len()
            });
            length(name) + length(about) + section + lesson
        });
        Self(BytesMut::with_capacity(lengths.sum()))
    }

    fn keep(&mut self, text: &str) -> ByteString {
        self.0.extend_from_slice(text.as_bytes());
        // It was a text, and still is.
        ByteString::try_from(self.0.split()).unwrap_or_default()
    }
}
