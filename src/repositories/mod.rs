//! Statements, one file for each table: typed rows in and out, `&mut PgConnection` in, Diesel's own error out.

pub mod access_grant;
pub mod audit_log;
pub mod checkout;
pub mod country_discount;
pub mod course;
pub mod course_product;
pub mod course_section;
pub mod job;
pub mod lesson;
pub mod product;
pub mod purchase;
pub mod purge;
pub mod sibling_order;
pub mod statistics;
pub mod user;
pub mod user_course_access;
pub mod user_lesson_complete;
pub mod webhook_event;
