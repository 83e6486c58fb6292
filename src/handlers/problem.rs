//! The errors of the API, explained.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{PUBLIC_CACHE, public};
use crate::http::accept::prefers_html;
use crate::http::page::Page;
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

/// List every error
#[utoipa::path(tag = "Operation", operation_id = "listProblems", responses((status = 200, description = "Every error that the API may answer with; a page, for those who accept HTML rather than JSON.", content((Page<ProblemType> = "application/json"), (String = "text/html")))))]
#[get("/problems")]
pub async fn list(request: HttpRequest) -> HttpResponse {
    if prefers_html(request.headers()) {
        let entries: String = Code::ALL.iter().map(|code| entry(*code)).collect();
        return page("Problems", &entries);
    }
    let types = Code::ALL.iter().copied().map(ProblemType::from);
    negotiated(public(&Page::whole(types.collect())))
}

/// A page for people, with no more on it than a browser shows by itself.
fn page(title: &str, content: &str) -> HttpResponse {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title} - Lectern</title>\n<h1>{title}</h1>\n{content}</html>\n"
    );
    let response = HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, PUBLIC_CACHE))
        .content_type("text/html; charset=utf-8")
        .body(html);
    negotiated(response)
}

/// The table is ours and holds no markup but what the escapes below cover.
fn entry(code: Code) -> String {
    let explanation = code
        .explanation()
        .replace('&', "&amp;")
        .replace('<', "&lt;");
    format!(
        "<h2><a href=\"/problems/{code}\">{code}</a></h2>\n<p>{status} {title}. {explanation}</p>\n",
        status = code.status(),
        title = code.title(),
    )
}

/// Caches have to tell the two forms apart.
fn negotiated(mut response: HttpResponse) -> HttpResponse {
    response
        .headers_mut()
        .append(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Explain an error
#[utoipa::path(
    tag = "Operation", operation_id = "getProblem",
    params(("code" = String, Path, description = "The `code` of a problem document.", example = "not-found")),
    responses((status = 200, description = "What it means and what to do about it; a page, for those who accept HTML rather than JSON.", content((ProblemType = "application/json"), (String = "text/html"))))
)]
#[get("/problems/{code}")]
pub async fn show(request: HttpRequest, code: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = Code::ALL.iter().find(|known| known.as_str() == *code);
    let code = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    if prefers_html(request.headers()) {
        return Ok(page(code.title(), &entry(*code)));
    }
    Ok(negotiated(public(&ProblemType::from(*code))))
}
