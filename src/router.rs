//! The route table, in the order of the addresses. What is mounted here is documented, and nothing else is.

use actix_web::dev::HttpServiceFactory;
use actix_web::web;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::OpenApiFactory;

use crate::handlers::{
    admin, checkout, country_discount, course, export, health, lesson, metrics, problem, product,
    purchase, quote, user, user_course_access, user_lesson_complete,
};
use crate::webhooks::receive;

/// What endpoints are mounted in.
pub trait Mount {
    /// Mounts one.
    fn service(
        &mut self,
        endpoint: impl HttpServiceFactory + OpenApiFactory + 'static,
    ) -> &mut Self;
}

/// An application alone: each worker has its own, and none has to know the document for that.
impl Mount for web::ServiceConfig {
    fn service(
        &mut self,
        endpoint: impl HttpServiceFactory + OpenApiFactory + 'static,
    ) -> &mut Self {
        self.service(endpoint)
    }
}

/// A document alone.
impl Mount for OpenApi {
    fn service(
        &mut self,
        endpoint: impl HttpServiceFactory + OpenApiFactory + 'static,
    ) -> &mut Self {
        let mut schemas = Vec::new();
        endpoint.schemas(&mut schemas);
        self.paths.merge(endpoint.paths());
        let components = self.components.get_or_insert_default();
        components.schemas.extend(schemas);
        self
    }
}

/// Mounts every endpoint.
pub fn routes(config: &mut impl Mount) {
    config
        // Shop
        .service(product::catalogue)
        .service(product::show)
        .service(quote::show)
        .service(country_discount::show)
        .service(purchase::claim)
        .service(checkout::create)
        .service(checkout::show)
        .service(checkout::cancel)
        // Learn
        .service(user::me)
        .service(export::show)
        .service(export::delete)
        .service(user_course_access::my_courses)
        .service(user_lesson_complete::complete)
        .service(user_lesson_complete::uncomplete)
        .service(purchase::mine)
        .service(purchase::my_purchase)
        .service(course::player)
        .service(lesson::watch)
        // Run the store
        .service(admin::course::list)
        .service(admin::course::create)
        .service(admin::course::show)
        .service(admin::course::update)
        .service(admin::course::delete)
        .service(admin::course::restore)
        .service(admin::course_section::create)
        .service(admin::course_section::show)
        .service(admin::course_section::update)
        .service(admin::course_section::delete)
        .service(admin::course_section::restore)
        .service(admin::course_section::reorder)
        .service(admin::lesson::create)
        .service(admin::lesson::show)
        .service(admin::lesson::update)
        .service(admin::lesson::delete)
        .service(admin::lesson::restore)
        .service(admin::lesson::reorder)
        .service(admin::product::list)
        .service(admin::product::create)
        .service(admin::product::show)
        .service(admin::product::update)
        .service(admin::product::delete)
        .service(admin::product::restore)
        .service(admin::country_discount::show)
        .service(admin::country_discount::replace)
        .service(admin::purchase::list)
        .service(admin::purchase::show)
        .service(admin::refund::create)
        .service(admin::refund::list_of_purchase)
        .service(admin::refund::list)
        .service(admin::refund::show)
        .service(admin::dispute::list)
        .service(admin::dispute::show)
        .service(admin::statistics::show)
        .service(admin::user::list)
        .service(admin::user::show)
        .service(admin::user::update)
        .service(admin::access_grant::access)
        .service(admin::access_grant::create)
        .service(admin::access_grant::delete)
        .service(admin::audit_log::list)
        .service(admin::reconciler::run)
        .service(admin::webhook_event::list)
        .service(admin::webhook_event::show)
        .service(admin::webhook_event::replay)
        // Machines
        .service(receive::stripe)
        .service(receive::clerk)
        .service(health::healthz)
        .service(health::readyz)
        .service(metrics::show)
        .service(problem::list)
        .service(problem::show);
}
