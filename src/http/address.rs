//! Addresses are spelt in one way, so that whoever looks at one before routing decodes it sees what routing sees.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};

use crate::problem::{Code, Problem};

/// Middleware: nothing is at an address with a percent sign. No address of ours needs one; routing would decode it
/// (RFC 3986, section 6.2.2.2), after conditions, repetitions and limits were looked up under another name.
pub async fn spelt_plainly<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    if request.path().contains('%') {
        let nothing = Problem::new(Code::NotFound).error_response();
        return Ok(request.into_response(nothing).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
