//! What `store.json` holds: people, products and courses that refer to each other by short keys, each as
//! the row that it becomes, less what its place in the file says (times, order, parent).

use diesel::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

use super::SeedError;
use crate::domain::enums::{CourseSectionStatus, LessonStatus, ProductStatus, UserRole};
use crate::schema::{course_sections, courses, lessons, products, users};

/// The whole demo store. Ids are not in the file: every parsed copy has fresh ones.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub people: Vec<Person>,
    pub products: Vec<Product>,
    pub courses: Vec<Course>,
}

/// Somebody of the demo store.
#[derive(Debug, Deserialize, Insertable)]
#[diesel(table_name = users)]
#[serde(deny_unknown_fields)]
pub struct Person {
    #[serde(skip, default = "Uuid::new_v4")]
    pub(super) id: Uuid,
    /// Short name, such as `learner-1`.
    #[diesel(skip_insertion)]
    pub name: String,
    /// The id that the local Clerk gives to the short name.
    pub clerk_user_id: String,
    #[diesel(column_name = name)]
    pub full_name: String,
    pub email: String,
    pub role: UserRole,
    #[diesel(skip_insertion)]
    pub(super) days_ago: u32,
    #[diesel(skip_insertion)]
    pub(super) purchases: Vec<Purchase>,
    #[diesel(skip_insertion)]
    pub(super) progress: Vec<Progress>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Purchase {
    pub product: String,
    pub days_ago: u32,
}

/// The first `lessons` of those that count in a course were ticked off on one evening.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    pub course: String,
    pub lessons: usize,
    pub days_ago: u32,
}

#[derive(Debug, Deserialize, Insertable)]
#[diesel(table_name = products)]
#[serde(deny_unknown_fields)]
pub(super) struct Product {
    #[serde(skip, default = "Uuid::new_v4")]
    pub id: Uuid,
    #[diesel(skip_insertion)]
    pub key: String,
    pub name: String,
    pub description: String,
    pub image_url: String,
    pub price_in_cents: i32,
    pub status: ProductStatus,
    #[diesel(skip_insertion)]
    pub days_ago: u32,
    #[diesel(skip_insertion)]
    pub courses: Vec<String>,
}

#[derive(Debug, Deserialize, Insertable)]
#[diesel(table_name = courses)]
#[serde(deny_unknown_fields)]
pub(super) struct Course {
    #[serde(skip, default = "Uuid::new_v4")]
    pub id: Uuid,
    #[diesel(skip_insertion)]
    pub key: String,
    pub name: String,
    pub description: String,
    #[diesel(skip_insertion)]
    pub days_ago: u32,
    #[diesel(skip_insertion)]
    pub sections: Vec<Section>,
}

#[derive(Debug, Deserialize, Insertable)]
#[diesel(table_name = course_sections)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    #[serde(skip, default = "Uuid::new_v4")]
    pub id: Uuid,
    pub name: String,
    pub status: CourseSectionStatus,
    #[diesel(skip_insertion)]
    pub lessons: Vec<Lesson>,
}

#[derive(Debug, Deserialize, Insertable)]
#[diesel(table_name = lessons)]
#[serde(deny_unknown_fields)]
pub(super) struct Lesson {
    #[serde(skip, default = "Uuid::new_v4")]
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    /// YouTube's id. The films are open ones that may be embedded anywhere.
    #[diesel(column_name = youtube_video_id)]
    pub video: String,
    pub status: LessonStatus,
}

impl Store {
    /// Parses the file that is compiled into the program.
    pub fn embedded() -> Result<Self, SeedError> {
        Ok(serde_json::from_str(include_str!("store.json"))?)
    }

    pub fn product(&self, key: &str) -> Result<&Product, SeedError> {
        let found = self.products.iter().find(|product| product.key == key);
        found.ok_or_else(|| SeedError::UnknownKey(key.to_owned()))
    }

    pub fn course(&self, key: &str) -> Result<&Course, SeedError> {
        let found = self.courses.iter().find(|course| course.key == key);
        found.ok_or_else(|| SeedError::UnknownKey(key.to_owned()))
    }

    /// The ids of the courses that a product holds.
    pub fn course_ids(&self, product: &Product) -> Result<Vec<Uuid>, SeedError> {
        let id = |key: &String| self.course(key).map(|course| course.id);
        product.courses.iter().map(id).collect()
    }
}

impl Course {
    /// The lessons that count toward progress, in order.
    pub fn counted_lessons(&self) -> impl Iterator<Item = &Lesson> {
        let public = |section: &&Section| section.status == CourseSectionStatus::Public;
        let lessons = self
            .sections
            .iter()
            .filter(public)
            .flat_map(|section| &section.lessons);
        lessons.filter(|lesson| lesson.status != LessonStatus::Private)
    }
}
