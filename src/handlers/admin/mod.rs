//! The owner's side, by entity: what only an [`Admin`](crate::auth::extractors::Admin) may call.

pub mod country_discount;
pub mod course;
pub mod course_section;
pub mod lesson;
pub mod product;
