//! `courses` with their `course_sections` and `lessons`, as [`Outline`]s.

use bytes::BytesMut;
use bytestring::ByteString;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Record, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::prepared::Prepared;
use crate::domain::enums::{CourseSectionStatus, LessonStatus};
use crate::domain::outline::{Lesson, Outline, Section};
use crate::schema::sql_types::LessonStatus as SqlLessonStatus;
use crate::schema::{course_sections, courses};

/// A line: a course, and as far as it has them, a section of it with its lessons. Only the first line of a course says
/// what the course is called, and what about.
type Line = (
    Uuid,
    Option<(String, String)>,
    Option<(Uuid, String, CourseSectionStatus)>,
    Vec<LessonRow>,
);
type LessonRow = (Uuid, String, Option<String>, String, LessonStatus);
type SqlLesson = (SqlUuid, Text, Nullable<Text>, Text, SqlLessonStatus);

/// The courses that are not deleted, each with all that is live in it.
pub fn find_all(conn: &mut PgConnection, course_ids: &[Uuid]) -> QueryResult<Vec<Outline>> {
    const TEXTS: &str = r#"CASE WHEN row_number() OVER (
        PARTITION BY courses.id ORDER BY course_sections."order"
    ) = 1 THEN ROW(courses.name, courses.description) END"#;
    // As a value: a hundred lines cost more than what is in them.
    const LESSONS: &str = r#"ARRAY(
        SELECT ROW(id, name, description, youtube_video_id, status) FROM lessons
        WHERE section_id = course_sections.id AND deleted_at IS NULL ORDER BY "order"
    )"#;
    let sections = course_sections::table.on(course_sections::course_id
        .eq(courses::id)
        .and(course_sections::deleted_at.is_null()));
    let lines = courses::table
        .left_join(sections)
        .filter(courses::deleted_at.is_null())
        .order((courses::id, course_sections::order))
        .select((
            courses::id,
            sql::<Nullable<Record<(Text, Text)>>>(TEXTS),
            (
                course_sections::id,
                course_sections::name,
                course_sections::status,
            )
                .nullable(),
            sql::<Array<Record<SqlLesson>>>(LESSONS),
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
    let (id, about, ..) = lines.first()?;
    let (name, description) = about.as_ref()?;
    let mut texts = Texts::new(lines);
    let (name, description) = (texts.keep(name), texts.keep(description));
    let sections = lines.iter().filter_map(|(.., section, lessons)| {
        let (id, name, status) = section.as_ref()?;
        let name = texts.keep(name);
        let lessons = lessons.iter();
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
        let of_lesson = |(_, name, about, video, _): &LessonRow| {
            name.len() + about.as_ref().map_or(0, String::len) + video.len()
        };
        let lengths = lines.iter().map(|(_, about, section, lessons)| {
            let about = about.as_ref();
            let about = about.map_or(0, |(name, about)| name.len() + about.len());
            let section = section.as_ref().map_or(0, |(_, name, _)| name.len());
            about + section + lessons.iter().map(of_lesson).sum::<usize>()
        });
        Self(BytesMut::with_capacity(lengths.sum()))
    }

    fn keep(&mut self, text: &str) -> ByteString {
        self.0.extend_from_slice(text.as_bytes());
        // It was a text, and still is.
        ByteString::try_from(self.0.split()).unwrap_or_default()
    }
}
