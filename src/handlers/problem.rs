//! The errors of the API, explained.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::public;
use crate::problem::{Code, Problem};

/// An error that the API may answer with.
#[derive(Serialize, ToSchema)]
pub struct ProblemType {
    code: Code,
    /// The HTTP status that always goes with it.
    #[schema(example = 404)]
    status: u16,
    #[schema(example = "Not found")]
    title: &'static str,
    /// What it means and what to do about it.
    explanation: &'static str,
}

impl From<Code> for ProblemType {
    fn from(code: Code) -> Self {
        Self {
            code,
            status: code.status(),
            title: code.title(),
            explanation: code.explanation(),
        }
    }
}

/// All of them.
#[derive(Serialize, ToSchema)]
pub struct ProblemTypes {
    data: Vec<ProblemType>,
}

/// List every error
#[utoipa::path(tag = "Operation", operation_id = "listProblems", responses((status = 200, description = "Every error that the API may answer with.", body = ProblemTypes)))]
#[get("/problems")]
pub async fn list() -> HttpResponse {
    public(&ProblemTypes {
        data: Code::ALL.iter().copied().map(ProblemType::from).collect(),
    })
}

/// Explain an error
#[utoipa::path(
    tag = "Operation", operation_id = "getProblem",
    params(("code" = String, Path, description = "The `code` of a problem document.", example = "not-found")),
    responses((status = 200, description = "What it means and what to do about it.", body = ProblemType))
)]
#[get("/problems/{code}")]
pub async fn show(code: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = Code::ALL.iter().find(|known| known.as_str() == *code);
    let code = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(public(&ProblemType::from(*code)))
}
