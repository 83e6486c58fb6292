//! Makes every error answer a problem document that carries the request id, the framework's own included.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};

use crate::context::RequestContext;
use crate::openapi::Served;
use crate::problem::{Code, MEDIA_TYPE, Problem};

/// Middleware: replaces the body of an error answer, keeping headers that other middleware added.
pub async fn render<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    next.call(request).await.map(rendered)
}

/// The answer, as a problem document when it is an error and not yet one that was kept.
pub fn rendered<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let status = response.status();
    let problem = response.response().extensions().get::<Problem>().cloned();
    let is_rendered = problem.is_none()
        && response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == MEDIA_TYPE);
    if is_rendered || !status.is_client_error() && !status.is_server_error() {
        return response.map_into_left_body();
    }
    let problem = problem.unwrap_or_else(|| Problem::from_status(status));
    let request_id = RequestContext::current_id();
    let mut rendered = problem.to_response(Some(&request_id));
    keep_headers(response.headers(), rendered.headers_mut());
    response.into_response(rendered).map_into_right_body()
}

/// Middleware outside of the compression, which refuses by itself what it may not encode.
pub async fn render_unacceptable<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let response = next.call(request).await?;
    if response.status() != StatusCode::NOT_ACCEPTABLE {
        return Ok(response.map_into_left_body());
    }
    let request_id = RequestContext::current_id();
    let mut rendered = Problem::new(Code::NotAcceptable).to_response(Some(&request_id));
    keep_headers(response.headers(), rendered.headers_mut());
    Ok(response.into_response(rendered).map_into_right_body())
}

fn keep_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE && !to.contains_key(name)
        {
            to.insert(name.clone(), value.clone());
        }
    }
}

/// What is answered where no route matches: 405 with `Allow` when the address has other methods, 204 to
/// OPTIONS, 404 otherwise.
pub async fn unmatched(
    request: HttpRequest,
    document: web::Data<Served>,
) -> Result<HttpResponse, Problem> {
    let Some(allow) = document.methods(request.path()) else {
        return Err(Problem::new(Code::NotFound));
    };
    if request.method() == actix_web::http::Method::OPTIONS {
        return Ok(HttpResponse::NoContent()
            .insert_header((header::ALLOW, allow))
            .finish());
    }
    Err(Problem::method_not_allowed(allow))
}
