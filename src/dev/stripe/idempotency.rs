//! `Idempotency-Key`: the kept answer of a POST, and the refusal of a key used for something else.
//! Source: <https://docs.stripe.com/api/idempotent_requests>.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{books::Books, error::ApiError, form::Form, objects::now};

/// A key is forgotten after a day.
const KEPT_FOR_SECONDS: i64 = 24 * 60 * 60;

/// The answer to a request that was executed under a key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    path: String,
    form: Form,
    at: i64,
    status: u16,
    body: Value,
}

/// What goes back over the wire.
pub(super) struct Answer {
    pub status: u16,
    pub body: Value,
    pub replayed: bool,
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            body: error.body(),
            replayed: false,
        }
    }
}

/// Runs `execute` once for each key; the caller holds the books' lock, so that a second request with the
/// same key waits for the first.
///
/// Answers are kept for refusals as well, once execution has begun: a coupon that was missing stays missing
/// for that key. Refused parameters are not kept.
pub(super) fn once(
    books: &mut Books,
    key: Option<&str>,
    path: &str,
    form: &Form,
    execute: impl FnOnce(&mut Books) -> Result<Value, ApiError>,
) -> Answer {
    let Some(key) = key else {
        return answer(execute(books));
    };
    let oldest = now() - KEPT_FOR_SECONDS;
    books.data.kept_answers.retain(|_, kept| kept.at > oldest);
    if let Some(kept) = books.data.kept_answers.get(key) {
        return replay(kept, key, path, form);
    }
    if key.len() > 255 {
        return ApiError::idempotency("Idempotency keys can have up to 255 characters.").into();
    }
    let result = execute(books);
    let keep = !result.as_ref().is_err_and(ApiError::is_validation);
    let answer = answer(result);
    if keep {
        let (status, body) = (answer.status, answer.body.clone());
        let kept = Kept {
            path: path.to_owned(),
            form: form.clone(),
            at: now(),
            status,
            body,
        };
        books.data.kept_answers.insert(key.to_owned(), kept);
    }
    answer
}

fn answer(result: Result<Value, ApiError>) -> Answer {
    result.map_or_else(Answer::from, |body| Answer {
        status: 200,
        body,
        replayed: false,
    })
}

fn replay(kept: &Kept, key: &str, path: &str, form: &Form) -> Answer {
    let differs = if kept.path != path {
        format!(
            "for the same endpoint they were first used for ('{}')",
            kept.path
        )
    } else if kept.form != *form {
        "with the same parameters they were first used with".to_owned()
    } else {
        return Answer {
            status: kept.status,
            body: kept.body.clone(),
            replayed: true,
        };
    };
    let message = format!(
        "Keys for idempotent requests can only be used {differs}. \
         Try using a key other than '{key}' if you meant to execute a different request."
    );
    ApiError::idempotency(message).into()
}
