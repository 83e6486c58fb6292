//! Stripe's own API under `/v1`: the key, faults, idempotency, and the table of what is served.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{Bytes, Data},
};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    LocalStripe, Recorded,
    books::{Books, Cause, Kind},
    coupons,
    error::ApiError,
    events::API_VERSION,
    faults,
    form::Form,
    idempotency::{self, Answer},
    listing, objects, refunds, sessions,
};

/// Every request under `/v1`.
pub(super) async fn serve(
    stripe: Data<LocalStripe>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let method = request.method().as_str();
    let path = format!(
        "/v1/{}",
        request.match_info().get("path").unwrap_or_default()
    );
    let sent = if request.method() == Method::POST {
        &body[..]
    } else {
        request.query_string().as_bytes()
    };
    let (form, key) = (Form::parse(sent), header_text(&request, "idempotency-key"));
    stripe.record(Recorded {
        method: method.to_owned(),
        path: path.clone(),
        idempotency_key: key.map(str::to_owned),
        form: form.clone(),
    });
    if let Err(error) = authorize(&stripe, &request) {
        return respond(error.into());
    }
    let fault = stripe.take_fault(method, &path);
    if let Some((trouble, false)) = fault {
        return faults::suffer(trouble).await;
    }
    let answer = answer(&stripe, request.method(), &path, key, &form);
    match fault {
        Some((trouble, _)) => faults::suffer(trouble).await,
        None => respond(answer),
    }
}

fn answer(
    stripe: &LocalStripe,
    method: &Method,
    path: &str,
    key: Option<&str>,
    form: &Form,
) -> Answer {
    let execute = |books: &mut Books| {
        let mut body = route(books, method.as_str(), path, form)?;
        listing::expand(books, &mut body, form)?;
        Ok(body)
    };
    if method == Method::GET {
        return stripe.books(|books| idempotency::once(books, None, path, form, execute));
    }
    stripe.change(|books| {
        books.cause = Cause {
            id: Some(objects::new_id("req")),
            idempotency_key: key.map(str::to_owned),
        };
        let answer = idempotency::once(books, key, path, form, execute);
        books.cause = Cause::default();
        answer
    })
}

/// The table of what is served.
fn route(books: &mut Books, method: &str, path: &str, form: &Form) -> Result<Value, ApiError> {
    let list =
        |books: &Books, kind, filters: &[&str]| listing::list(books, kind, path, form, filters);
    let find = |books: &Books, kind, id: &str| books.find(kind, id).cloned();
    let segments: Vec<_> = path.trim_start_matches("/v1/").split('/').collect();
    match (method, &segments[..]) {
        ("POST", ["checkout", "sessions"]) => sessions::create(books, form),
        ("GET", ["checkout", "sessions"]) => {
            list(books, Kind::Session, &["payment_intent", "status"])
        }
        ("GET", ["checkout", "sessions", id]) => find(books, Kind::Session, id),
        ("GET", ["checkout", "sessions", id, "line_items"]) => {
            books.find(Kind::Session, id)?;
            Ok(listing::line_item_list(books, id))
        }
        ("POST", ["checkout", "sessions", id, "expire"]) => sessions::expire(books, id),
        ("GET", ["payment_intents", id]) => find(books, Kind::PaymentIntent, id),
        ("GET", ["charges"]) => list(books, Kind::Charge, &["payment_intent"]),
        ("GET", ["charges", id]) => find(books, Kind::Charge, id),
        ("POST", ["refunds"]) => refunds::create(books, form),
        ("GET", ["refunds"]) => list(books, Kind::Refund, &["charge", "payment_intent"]),
        ("GET", ["refunds", id]) => find(books, Kind::Refund, id),
        ("POST", ["refunds", id, "cancel"]) => refunds::cancel(books, id),
        ("GET", ["disputes"]) => list(books, Kind::Dispute, &["charge", "payment_intent"]),
        ("GET", ["disputes", id]) => find(books, Kind::Dispute, id),
        ("GET", ["radar", "early_fraud_warnings", id]) => find(books, Kind::FraudWarning, id),
        ("POST", ["coupons"]) => coupons::create(books, form),
        ("GET", ["coupons", id]) => find(books, Kind::Coupon, id),
        ("DELETE", ["coupons", id]) => coupons::delete(books, id),
        ("GET", ["events"]) => list(books, Kind::Event, &[]),
        ("GET", ["events", id]) => find(books, Kind::Event, id),
        _ => Err(ApiError::unknown_path(method, path)),
    }
}

fn header_text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
}

fn authorize(stripe: &LocalStripe, request: &HttpRequest) -> Result<(), ApiError> {
    let sent = header_text(request, header::AUTHORIZATION.as_str())
        .and_then(|value| value.strip_prefix("Bearer "));
    match sent {
        None => Err(ApiError::unauthorized(
            "You did not provide an API key as a Bearer token.",
        )),
        Some(key) if key != stripe.0.options.secret_key.expose_secret() => {
            Err(ApiError::unauthorized("Invalid API Key provided."))
        }
        Some(_) => Ok(()),
    }
}

/// Any path that is not served.
pub(super) async fn not_found(request: HttpRequest) -> HttpResponse {
    respond(ApiError::unknown_path(request.method().as_str(), request.path()).into())
}

/// The answer as JSON, with Stripe's headers.
pub(super) fn respond(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header(("Request-Id", objects::new_id("req")));
    response.insert_header(("Stripe-Version", API_VERSION));
    if answer.replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    response.json(answer.body)
}
