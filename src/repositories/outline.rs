//! `courses` with their `course_sections` and `lessons`, as [`Outline`]s.

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

/// What an outline is made of: id, name, description, sections.
type Parts = (Uuid, Box<str>, Box<str>, Vec<Section>);

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
    // Of one, Postgres knows what to expect, and keeps a plan; for a list it plans anew every time.
    let lines = match course_ids {
        [id] => lines.filter(courses::id.eq(id)),
        ids => lines.filter(courses::id.eq_any(ids)),
    };
    Ok(nest(Prepared(lines).load(conn)?))
}

/// Nests lines, which come in order.
fn nest(lines: Vec<Line>) -> Vec<Outline> {
    let mut courses: Vec<Parts> = Vec::new();
    for (id, (name, description), section, lesson) in lines {
        if courses.last().is_none_or(|(last, ..)| *last != id) {
            let texts = [name, description].map(|text| text.unwrap_or_default().into());
            let [name, description] = texts;
            courses.push((id, name, description, Vec::new()));
        }
        let (Some((.., sections)), Some((id, name, status))) = (courses.last_mut(), section) else {
            continue;
        };
        if sections.last().is_none_or(|last| last.id != id) {
            sections.push(Section {
                id,
                name: name.into(),
                status,
                lessons: Vec::new(),
            });
        }
        let (Some(section), Some(lesson)) = (sections.last_mut(), lesson) else {
            continue;
        };
        let (id, name, description, youtube_video_id, status) = lesson;
        section.lessons.push(Lesson {
            id,
            name: name.into(),
            description: description.map(Into::into),
            youtube_video_id: youtube_video_id.into(),
            status,
        });
    }
    let outlines = courses
        .into_iter()
        .map(|(id, name, description, mut sections)| {
            // They are kept for long.
            sections.shrink_to_fit();
            for section in &mut sections {
                section.lessons.shrink_to_fit();
            }
            Outline::new(id, name, description, sections)
        });
    outlines.collect()
}
