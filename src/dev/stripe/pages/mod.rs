//! Pages for people, and the same as JSON for scripts: paying, receipts, and the dashboard.

mod dashboard;
mod html;
mod pay;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{ServiceConfig, get, post},
};
use serde_json::Value;

use super::{ApiError, api};

pub(super) fn configure(cfg: &mut ServiceConfig) {
    cfg.route("", get().to(dashboard::show))
        .route("/", get().to(dashboard::show))
        .route("/dashboard/{what}/{id}/{action}", post().to(dashboard::act))
        .route("/pay/{session}", get().to(pay::show))
        .route("/pay/{session}", post().to(pay::pay))
        .route("/pay/{session}/settle", post().to(pay::settle))
        .route("/pay/{session}/expire", post().to(pay::expire))
        .route("/receipts/{charge}", get().to(pay::receipt));
}

/// A script gets the changed object or Stripe's error as JSON, a person is sent on to `location`.
fn done(request: &HttpRequest, result: Result<Value, ApiError>, location: &str) -> HttpResponse {
    match result {
        Ok(object) if wants_json(request) => HttpResponse::Ok().json(object),
        Ok(_) => HttpResponse::SeeOther()
            .insert_header((header::LOCATION, location))
            .finish(),
        Err(error) => refuse(request, error),
    }
}

fn refuse(request: &HttpRequest, error: ApiError) -> HttpResponse {
    if wants_json(request) {
        return api::respond(error.into());
    }
    let status = actix_web::http::StatusCode::from_u16(error.status).unwrap_or_default();
    html::page(
        status,
        "That did not work",
        &format!("<p>{}</p>", html::escape(&error.message)),
    )
}

fn wants_json(request: &HttpRequest) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}
