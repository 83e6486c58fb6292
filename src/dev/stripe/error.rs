//! Errors in Stripe's shape: `{"error": {"type", "code", "message", "param"}}`.

use serde_json::{Value, json};

use super::objects::merge;

/// A refusal as Stripe words it. Source: <https://docs.stripe.com/api/errors>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Stripe's `type`, such as `invalid_request_error`.
    pub kind: &'static str,
    /// Stripe's `code`, where there is one.
    pub code: Option<&'static str>,
    /// What is wrong, for a person.
    pub message: String,
    /// The parameter at fault, in bracket notation.
    pub param: Option<String>,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code: None,
            message: message.into(),
            param: None,
        }
    }

    /// 400 `invalid_request_error`: the request is in conflict with Stripe's rules or with an object's state.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// 400 for one parameter; `code` is one of Stripe's `parameter_*` codes.
    pub(super) fn parameter(
        code: &'static str,
        param: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::invalid(message).code(code).param(param)
    }

    /// 404 `resource_missing`, with Stripe's wording.
    pub(super) fn missing(object: &str, id: &str) -> Self {
        let mut error = Self::invalid(format!("No such {object}: '{id}'")).code("resource_missing");
        error.status = 404;
        error.param("id")
    }

    /// 404 for a path that Stripe, or this stand-in, does not have.
    pub(super) fn unknown_path(method: &str, path: &str) -> Self {
        Self::new(
            404,
            "invalid_request_error",
            format!("Unrecognized request URL ({method}: {path})."),
        )
    }

    /// 401; never repeats the key that was sent.
    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(401, "invalid_request_error", message)
    }

    /// `idempotency_error` with 400 (misuse of a key).
    pub(super) fn idempotency(message: impl Into<String>) -> Self {
        Self::new(400, "idempotency_error", message)
    }

    /// What Stripe answers with this status when it is in trouble.
    pub(super) fn trouble(status: u16) -> Self {
        match status {
            409 => Self::new(
                409,
                "idempotency_error",
                "There is currently another in-progress request using this idempotency key.",
            )
            .code("idempotency_key_in_use"),
            429 => Self::new(429, "invalid_request_error", "Request rate limit exceeded.")
                .code("rate_limit"),
            _ => Self::new(status, "api_error", "An unknown error occurred."),
        }
    }

    pub(super) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(super) fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Whether the request failed before Stripe began to execute it. Such an answer is not kept for its
    /// idempotency key. Source: <https://docs.stripe.com/api/idempotent_requests>.
    pub(super) fn is_validation(&self) -> bool {
        self.status == 401
            || self.kind == "idempotency_error"
            || self.code.is_some_and(|code| code.starts_with("parameter_"))
    }

    /// The response body.
    pub fn body(&self) -> Value {
        let named = [("code", self.code), ("param", self.param.as_deref())];
        let mut error = json!({ "type": self.kind, "message": self.message });
        for (name, value) in named {
            if let Some(value) = value {
                merge(&mut error, json!({ name: value }));
            }
        }
        json!({ "error": error })
    }
}
