//! Endpoints, one file for each entity: what comes in, what goes out, and one door to the database in between.

pub mod admin;
pub mod checkout;
pub mod country_discount;
pub mod course;
pub mod export;
pub mod health;
pub mod lesson;
pub mod metrics;
pub mod problem;
pub mod product;
pub mod purchase;
pub mod quote;
pub mod user;
pub mod user_course_access;
pub mod user_lesson_complete;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::outline::Lesson;

/// What changes while everybody may know it: kept for a minute, shown a little longer while a fresh one is fetched.
pub const PUBLIC_CACHE: &str = "public, max-age=60, stale-while-revalidate=300";
/// What depends on who asks.
pub const PRIVATE_CACHE: &str = "private, no-store";

/// 200 for the caller alone.
pub fn private(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, PRIVATE_CACHE))
        .json(body)
}

/// 200 for everybody.
pub fn public(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, PUBLIC_CACHE))
        .json(body)
}

/// 201 with the address of what was made.
pub fn created(location: &str, body: &impl Serialize) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, PRIVATE_CACHE))
        .insert_header((header::LOCATION, location))
        .json(body)
}

/// 202: it will be done.
pub fn accepted() -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((header::CACHE_CONTROL, PRIVATE_CACHE))
        .finish()
}

/// 204.
pub fn no_content() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, PRIVATE_CACHE))
        .finish()
}

/// Something that is named where it is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Named {
    pub id: Uuid,
    #[schema(example = "Rust for the Web")]
    pub name: String,
}

impl From<&Lesson> for Named {
    fn from(lesson: &Lesson) -> Self {
        Self {
            id: lesson.id,
            name: lesson.name.to_string(),
        }
    }
}
