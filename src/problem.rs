//! Every error that leaves the API: one closed table of codes, one shape (RFC 9457).

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use serde::Serialize;
use utoipa::ToSchema;

/// Of every error's body (RFC 9457).
pub const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($variant:ident = $status:literal, $code:tt, $title:literal, $explanation:literal;)+) => {
        /// What went wrong. Closed and stable: clients may switch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[schema(as = ProblemCode, example = "not-found")]
        pub enum Code {
            $(#[doc = $explanation] #[serde(rename = $code)] $variant),+
        }

        impl Code {
            /// The whole table, in the order of its status codes.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The HTTP status that always goes with the code.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// The code as clients read it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// A few words, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What it means and what to do about it, for people.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation),+ }
            }
        }
    };
}

codes! {
    MalformedRequest = 400, "malformed-request", "Malformed request",
        "The request cannot be read: its body is not valid JSON or nested more than 32 levels deep, its address is over 64 KiB, or its syntax is broken. Mend the request before sending it again.";
    InvalidCursor = 400, "invalid-cursor", "Invalid cursor",
        "The cursor was not made by this list with this sort order. Start again without a cursor, and use nextCursor as it came.";
    BadSignature = 400, "bad-signature", "Bad webhook signature",
        "The webhook's signature is missing, wrong or too old. Check that the endpoint's signing secret is the configured one and that the sender's clock is right.";
    IdempotencyKeyRequired = 400, "idempotency-key-required", "Idempotency key required",
        "A request that gives money back has to carry an Idempotency-Key header, so that a repetition gives nothing back twice. Make a fresh key for each refund and send the same one when repeating.";
    Unauthenticated = 401, "unauthenticated", "Sign-in required",
        "The request carries no session token, or one that is expired or not from this store's issuer. Get a fresh token from Clerk and send it as 'Authorization: Bearer'.";
    AccountDeleted = 401, "account-deleted", "Account deleted",
        "The session token belongs to an account that was deleted. Sign in with another account.";
    Forbidden = 403, "forbidden", "Not allowed",
        "The caller is known but may not do this. Endpoints under /v1/admin are for the store's owner.";
    CourseAccessRequired = 403, "course-access-required", "Course access required",
        "The course has to be bought, or access given by the owner, before its content opens.";
    SessionPending = 403, "session-pending", "Session pending",
        "Sign-in has tasks left at Clerk (such as choosing an organisation). Finish them and use the new token.";
    ImpersonationForbidden = 403, "impersonation-forbidden", "Not while impersonating",
        "Somebody who acts as another person may look, but neither buy nor run the store.";
    NotFound = 404, "not-found", "Not found",
        "There is nothing at this address, or nothing that the caller may see.";
    MethodNotAllowed = 405, "method-not-allowed", "Method not allowed",
        "The address exists, but not with this method. The Allow header lists those that it has.";
    NotAcceptable = 406, "not-acceptable", "Not acceptable",
        "The answer cannot be encoded in a way that the Accept-Encoding header allows. Leave the header out, or accept gzip, br or identity.";
    RequestTimeout = 408, "request-timeout", "Request timeout",
        "The request's head did not arrive in time. Send it again, at once.";
    AlreadyOwned = 409, "already-owned", "Already owned",
        "The caller has bought this product already.";
    PriceChanged = 409, "price-changed", "Price changed",
        "The total is no longer the one that the buyer was shown. Show the new quote and ask again.";
    ProductFree = 409, "product-free", "Product is free",
        "A free product needs no checkout. Claim it instead.";
    ProductNotFree = 409, "product-not-free", "Product is not free",
        "Only a free product can be claimed. Open a checkout session instead.";
    CheckoutNotOpen = 409, "checkout-not-open", "Checkout is not open",
        "The checkout has been paid, has expired or was canceled, so this can no longer be done to it.";
    CourseInUse = 409, "course-in-use", "Course is in use",
        "The course belongs to products that are not deleted. Take it out of them, or delete them, first.";
    ParentDeleted = 409, "parent-deleted", "Parent is deleted",
        "What should be restored belongs to something that is deleted itself, or holds it. Restore that first.";
    LastAdmin = 409, "last-admin", "Last admin",
        "The store would be without an admin. Make somebody else an admin first.";
    AlreadyGranted = 409, "already-granted", "Already granted",
        "The person has been given this course by hand already.";
    ReconcileRunning = 409, "reconcile-running", "Reconciling already",
        "Another pass against Stripe and Clerk is under way. Wait for it to end, a few minutes at most.";
    AlreadyRefunded = 409, "already-refunded", "Already refunded",
        "All that was paid has gone back, or is on its way.";
    RefundTooLarge = 409, "refund-too-large", "Refund too large",
        "More would go back than is left of what was paid; refunds that are on their way count as well.";
    PurchaseDisputed = 409, "purchase-disputed", "Purchase is disputed",
        "The buyer's bank has taken the payment back, so it cannot be refunded. Answer the dispute at Stripe; when it is won, the payment can be refunded again.";
    PayloadGone = 409, "payload-gone", "Payload is gone",
        "What the event said is not kept any more, so it cannot be worked on again. Have its provider send it once more, or read the object there.";
    PaymentRefused = 409, "payment-refused", "Payment refused",
        "Stripe does not open a checkout for this order, or does not make this refund. Trying again does not help; the store's owner finds the reason in the log.";
    IdempotencyKeyInUse = 409, "idempotency-key-in-use", "Idempotency key in use",
        "A request with this Idempotency-Key is still being worked on. Repeat this one in a moment to get its answer.";
    Conflict = 409, "conflict", "Conflict",
        "The request contradicts what is stored, often because somebody else changed it at the same moment. Read it again and repeat.";
    PreconditionFailed = 412, "precondition-failed", "Precondition failed",
        "The resource is no longer the one that If-Match names: somebody else has changed it. Read it again, and repeat the change with the new ETag.";
    PayloadTooLarge = 413, "payload-too-large", "Body too large",
        "The body is larger than this endpoint accepts: 64 KiB of JSON, 512 KiB for webhooks.";
    UnsupportedMediaType = 415, "unsupported-media-type", "Unsupported media type",
        "Send JSON with 'Content-Type: application/json' and without Content-Encoding. PATCH takes application/merge-patch+json as well.";
    Invalid = 422, "invalid", "Invalid content",
        "The request can be read, but some of its values cannot be accepted. 'errors' names each of them.";
    IdempotencyKeyReused = 422, "idempotency-key-reused", "Idempotency key reused",
        "The Idempotency-Key was used for a request with another body or query. Make a fresh key for each new request.";
    BelowMinimumCharge = 422, "below-minimum-charge", "Below the minimum charge",
        "Stripe does not charge amounts as small as this one. The owner has to change the price.";
    RateLimited = 429, "rate-limited", "Too many requests",
        "The limit that RateLimit-Policy names is used up. Wait for Retry-After seconds, and ask less often.";
    HeadTooLarge = 431, "request-head-too-large", "Request head too large",
        "The request's header fields weigh more than 128 KiB, or there are more than 96 of them. Send fewer and shorter ones.";
    Internal = 500, "internal-error", "Internal error",
        "Something broke on our side. It was logged under the requestId.";
    PaymentProviderUnavailable = 503, "payment-provider-unavailable", "Payments are unavailable",
        "Stripe did not answer as expected. Nothing was charged by this request; try again after Retry-After seconds.";
    IdentityProviderUnavailable = 503, "identity-provider-unavailable", "Sign-in is unavailable",
        "The issuer's keys could not be fetched, so no token can be checked. Try again after Retry-After seconds.";
    DatabaseUnavailable = 503, "database-unavailable", "Database is unavailable",
        "The database did not answer in time. Try again after Retry-After seconds.";
    AccountDeletionUnavailable = 503, "account-deletion-unavailable", "Accounts cannot be deleted here",
        "This store is not set up to delete accounts at Clerk by itself. Ask its operator to delete the account.";
    NotReady = 503, "not-ready", "Not ready",
        "The instance should get no traffic now. 'detail' says what it waits for.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// Where in the body: a JSON Pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/courseIds/0")]
    pub pointer: Option<String>,
    /// Which query parameter or header, when it is not in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What kind of fault.
    #[schema(value_type = String, example = "unknown-course")]
    pub code: &'static str,
    /// What is wrong with it, for people.
    #[schema(example = "there is no such course")]
    pub detail: String,
}

impl FieldError {
    /// A fault in the body.
    pub fn at(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer.into()),
            parameter: None,
            code,
            detail: detail.into(),
        }
    }

    /// A fault in a query parameter or a header.
    pub fn parameter(
        name: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            pointer: None,
            parameter: Some(name.into()),
            code,
            detail: detail.into(),
        }
    }
}

/// An error on its way out. The cause stays in the log, under the same request id.
#[derive(Debug, Clone)]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    errors: Vec<FieldError>,
    quote: Option<serde_json::Value>,
    retry_after: Option<u32>,
    allow: Option<String>,
}

impl Problem {
    /// A problem that the code's own explanation describes well enough.
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            errors: Vec::new(),
            quote: None,
            retry_after: None,
            allow: None,
        }
    }

    /// What is special about this occurrence. Never a cause, SQL, a path or anything personal.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// 422 with one or more faults.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new(Code::Invalid)
        }
    }

    /// The price that holds now, for [`Code::PriceChanged`].
    #[must_use]
    pub fn quote(mut self, quote: &impl Serialize) -> Self {
        self.quote = serde_json::to_value(quote).ok();
        self
    }

    /// A dependency is down: 503 with `Retry-After` in seconds.
    pub const fn unavailable(code: Code, retry_after: u32) -> Self {
        Self::new(code).retry_after(retry_after)
    }

    /// When it is worth another try, in seconds: `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// 429 with `Retry-After` in seconds.
    pub fn rate_limited(retry_after: u32) -> Self {
        Self::new(Code::RateLimited).retry_after(retry_after.max(1))
    }

    /// 405 with the methods that the address has.
    pub fn method_not_allowed(allow: String) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(Code::MethodNotAllowed)
        }
    }

    /// 500; the cause goes to the log.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(Code::Internal)
    }

    /// What the framework answered by itself, as a problem of ours.
    pub fn from_status(status: StatusCode) -> Self {
        let same_status = |code: &&Code| code.status() == status.as_u16();
        match Code::ALL.iter().find(same_status) {
            Some(&code) => Self::new(code),
            None if status.is_client_error() => Self::new(Code::MalformedRequest),
            None => Self::internal(format_args!("unexpected status {status}")),
        }
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The response; the request id is known to the caller only.
    pub fn to_response(&self, request_id: Option<&str>) -> HttpResponse {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        let body = ProblemBody {
            r#type: format!("/problems/{}", self.code),
            title: self.code.title(),
            status: self.code.status(),
            detail: self.detail.as_deref().unwrap_or(self.code.explanation()),
            code: self.code,
            request_id,
            errors: &self.errors,
            quote: self.quote.as_ref(),
        };
        response
            .insert_header((header::CACHE_CONTROL, "private, no-store"))
            .content_type(MEDIA_TYPE)
            .body(serde_json::to_vec(&body).unwrap_or_default())
    }
}

/// An error, as `application/problem+json` (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody<'a> {
    /// Where the code is explained in words.
    #[schema(example = "/problems/not-found")]
    r#type: String,
    /// A few words, the same for every occurrence of the code.
    #[schema(example = "Not found")]
    title: &'static str,
    /// The HTTP status again.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// What happened this time and what to do about it.
    detail: &'a str,
    code: Code,
    /// Under which the log has more; also in the X-Request-Id header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
    /// Each value that could not be accepted.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// With `price-changed`: the quote that holds now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<crate::handlers::quote::Quote>)]
    quote: Option<&'a serde_json::Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.to_response(None);
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl From<DieselError> for Problem {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::NotFound => Self::new(Code::NotFound),
            DieselError::BrokenTransactionManager
            | DieselError::DatabaseError(
                // The last is what a standby answers to whoever takes it for the primary.
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            ) => database_unavailable(&error),
            // SQLSTATE 57014 and 55P03, which Diesel does not tell: the limits of db/pooler.rs.
            DieselError::DatabaseError(_, info)
                if info.message().starts_with("canceling statement due to") =>
            {
                database_unavailable(&error)
            }
            // SQLSTATE 53100, which it does not tell either: the disk is full.
            DieselError::DatabaseError(_, info)
                if info.message().ends_with("No space left on device")
                    || info.hint() == Some("Check free disk space.") =>
            {
                database_unavailable(&error)
            }
            error if is_deadlock(error) => Self::new(Code::Conflict),
            DieselError::DatabaseError(kind, info) => {
                constraint(*kind, info.constraint_name()).unwrap_or_else(|| Self::internal(&error))
            }
            _ => Self::internal(&error),
        }
    }
}

/// SQLSTATE 40P01, which Diesel does not tell: one of two has to give way, and may try again.
pub fn is_deadlock(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, info) if info.message() == "deadlock detected")
}

/// The database cannot be reached or has no connection left: the log says which, the client waits a second.
pub fn database_unavailable(cause: &dyn fmt::Display) -> Problem {
    tracing::error!(%cause, "database unavailable");
    Problem::unavailable(Code::DatabaseUnavailable, 1)
}

/// The one place where a violated constraint becomes a problem. What is missing here is a fault of ours.
fn constraint(kind: DatabaseErrorKind, name: Option<&str>) -> Option<Problem> {
    match (kind, name) {
        (DatabaseErrorKind::SerializationFailure, _)
        | (
            DatabaseErrorKind::UniqueViolation,
            Some("checkouts_one_open_key" | "course_sections_order_key" | "lessons_order_key"),
        ) => Some(Problem::new(Code::Conflict)),
        _ => None,
    }
}
