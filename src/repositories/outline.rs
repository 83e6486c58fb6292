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
        .filter(
            courses::id
                .eq_any(course_ids)
                .and(courses::deleted_at.is_null()),
        )
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
        ));
    Ok(nest(Prepared(lines).load(conn)?))
}

/// Nests lines, which come in order.
fn nest(lines: Vec<Line>) -> Vec<Outline> {
    let mut outlines: Vec<Outline> = Vec::new();
    for (id, (name, description), section, lesson) in lines {
        if outlines.last().is_none_or(|last| last.id != id) {
            outlines.push(Outline {
                id,
                name: name.unwrap_or_default().into(),
                description: description.unwrap_or_default().into(),
                sections: Vec::new(),
            });
        }
        let (Some(outline), Some((id, name, status))) = (outlines.last_mut(), section) else {
            continue;
        };
        if outline.sections.last().is_none_or(|last| last.id != id) {
            outline.sections.push(Section {
                id,
                name: name.into(),
                status,
                lessons: Vec::new(),
            });
        }
        let (Some(section), Some(lesson)) = (outline.sections.last_mut(), lesson) else {
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
    outlines
}
