//! The route table, in the order of the addresses. What is mounted here is documented, and nothing else is.

use utoipa_actix_web::service_config::ServiceConfig;

use crate::handlers::{
    checkout, course, course_section, health, lesson, problem, product, purchase, quote, user,
    user_course_access, user_lesson_complete,
};
use crate::webhooks::receive;

/// Mounts every endpoint.
pub fn routes(config: &mut ServiceConfig) {
    config
        // Shop
        .service(product::catalogue)
        .service(product::show)
        .service(quote::show)
        .service(purchase::claim)
        .service(checkout::create)
        .service(checkout::show)
        .service(checkout::cancel)
        // Learn
        .service(user::me)
        .service(user_course_access::my_courses)
        .service(user_lesson_complete::complete)
        .service(user_lesson_complete::uncomplete)
        .service(purchase::mine)
        .service(purchase::my_purchase)
        .service(course::player)
        .service(lesson::watch)
        // Run the store
        .service(course::admin_list)
        .service(course::admin_create)
        .service(course::admin_show)
        .service(course::admin_update)
        .service(course::admin_delete)
        .service(course_section::admin_create)
        .service(course_section::admin_show)
        .service(course_section::admin_update)
        .service(course_section::admin_delete)
        .service(lesson::admin_create)
        .service(lesson::admin_show)
        .service(lesson::admin_update)
        .service(lesson::admin_delete)
        .service(product::admin_list)
        .service(product::admin_create)
        .service(product::admin_show)
        .service(product::admin_update)
        .service(product::admin_delete)
        // Machines
        .service(receive::stripe)
        .service(receive::clerk)
        .service(health::healthz)
        .service(health::readyz)
        .service(problem::list)
        .service(problem::show);
}
