//! The OpenAPI document: collected from the mounted handlers, completed with what is true of all of them, served.

mod headers;

use std::collections::BTreeMap;

use actix_web::dev::ResourceDef;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::json;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, ContactBuilder, Content, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr,
    ResponseBuilder, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::{Config as UiConfig, SwaggerUi};

use crate::problem::{Code, ProblemBody};
use crate::router;

/// The document as it is committed: independent of where the server runs.
pub fn committed() -> OpenApi {
    let (_, paths) = actix_web::App::new()
        .into_utoipa_app()
        .configure(router::routes)
        .split_for_parts();
    document(paths, "http://127.0.0.1:8080")
}

/// The document as text, the way it is committed in `openapi/openapi.json`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn to_text(document: &OpenApi) -> Result<String, serde_json::Error> {
    document.to_pretty_json().map(|json| json + "\n")
}

/// Completes what was collected from the handlers.
pub fn document(mut collected: OpenApi, public_url: &str) -> OpenApi {
    collected.info = InfoBuilder::new()
        .title("Lectern")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .contact(Some(
            ContactBuilder::new()
                .name(Some("The Lectern authors"))
                .build(),
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("MIT OR Apache-2.0")
                .identifier(Some("MIT OR Apache-2.0"))
                .build(),
        ))
        .build();
    collected.servers = Some(vec![ServerBuilder::new().url(public_url).build()]);
    collected.tags = Some(tags());
    let components = collected.components.take().unwrap_or_default();
    let mut schemas = Vec::new();
    <ProblemBody<'static> as ToSchema>::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    let components = schemas
        .into_iter()
        .fold(
            ComponentsBuilder::from(components),
            |builder, (name, schema)| builder.schema(name, schema),
        )
        .security_scheme(
            "session",
            SecurityScheme::Http(
                Http::builder()
                    .scheme(HttpAuthScheme::Bearer)
                    .bearer_format("JWT")
                    .description(Some(
                        "A Clerk session token, from `getToken()` of Clerk's SDK.",
                    ))
                    .build(),
            ),
        );
    collected.components = Some(components.build());
    for (path, item) in &mut collected.paths.paths {
        let operations = [
            ("GET", &mut item.get),
            ("PUT", &mut item.put),
            ("POST", &mut item.post),
            ("DELETE", &mut item.delete),
            ("PATCH", &mut item.patch),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                complete(path, method, operation);
            }
        }
    }
    collected
}

fn tags() -> Vec<Tag> {
    [
        (
            "Shop",
            "The public catalogue, prices, checkout and free claims.",
        ),
        (
            "Learn",
            "What a signed-in learner has: courses, lessons, progress, purchases.",
        ),
        (
            "Admin: courses",
            "Courses, sections and lessons, for the store's owner.",
        ),
        ("Admin: products", "What is sold, for the store's owner."),
        (
            "Admin: sales",
            "Purchases, refunds, disputes and the store in numbers, for the store's owner.",
        ),
        (
            "Admin: people",
            "People, roles, access given by hand, and who changed what.",
        ),
        (
            "Admin: repair",
            "The inbox of webhooks, and making up for what they missed.",
        ),
        ("Webhooks", "Where Stripe and Clerk deliver their events."),
        ("Operation", "Health, and the explanation of errors."),
    ]
    .map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    })
    .into()
}

/// Adds the errors that follow from an operation's shape, so that no handler lists them by hand.
fn complete(path: &str, method: &str, operation: &mut Operation) {
    let secured = operation.security.is_some();
    let has = |place: ParameterIn| {
        let in_place = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == place);
        operation.parameters.iter().flatten().any(in_place)
    };
    let (has_path_id, has_query) = (has(ParameterIn::Path), has(ParameterIn::Query));
    let is_admin = operation
        .tags
        .iter()
        .flatten()
        .any(|tag| tag.starts_with("Admin"));
    let mut codes = Vec::new();
    if operation.request_body.is_some() {
        codes.extend([
            Code::MalformedRequest,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
        ]);
    }
    let is_webhook = operation.tags.iter().flatten().any(|tag| tag == "Webhooks");
    if (operation.request_body.is_some() && !is_webhook) || has_query {
        codes.push(Code::Invalid);
    }
    if secured {
        codes.extend([
            Code::Unauthenticated,
            Code::AccountDeleted,
            Code::SessionPending,
            Code::IdentityProviderUnavailable,
        ]);
    }
    if is_admin {
        codes.extend([Code::Forbidden, Code::ImpersonationForbidden]);
    }
    if has_path_id {
        codes.push(Code::NotFound);
    }
    let touches_database = operation
        .tags
        .iter()
        .flatten()
        .any(|tag| tag != "Operation");
    if touches_database {
        codes.extend([Code::DatabaseUnavailable, Code::Internal]);
    }
    codes.extend(headers::describe(path, method, operation));
    let mut by_status: BTreeMap<String, Vec<Code>> = BTreeMap::new();
    for code in codes.into_iter().chain(declared(operation)) {
        let codes = by_status.entry(code.status().to_string()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    for (status, codes) in by_status {
        operation
            .responses
            .responses
            .insert(status, RefOr::T(problem_response(&codes)));
    }
    headers::tell_limits(path, &mut operation.responses);
}

/// Handlers declare their own errors as responses whose description is the problem's code.
fn declared(operation: &Operation) -> Vec<Code> {
    let of_response = |response: &RefOr<utoipa::openapi::Response>| match response {
        RefOr::T(response) => {
            let named = |code: &&Code| {
                response
                    .description
                    .split(", ")
                    .any(|name| name == code.as_str())
            };
            Code::ALL.iter().filter(named).copied().collect()
        }
        RefOr::Ref(_) => Vec::new(),
    };
    operation
        .responses
        .responses
        .values()
        .flat_map(of_response)
        .collect()
}

fn problem_response(codes: &[Code]) -> utoipa::openapi::Response {
    let names: Vec<_> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", code.title()))
        .collect();
    let mut content = Content::new(Some(RefOr::<utoipa::openapi::Schema>::Ref(
        Ref::from_schema_name("Problem"),
    )));
    for code in codes {
        let example = utoipa::openapi::example::ExampleBuilder::new()
            .summary(code.title())
            .value(Some(json!({
                "type": format!("/problems/{code}"),
                "title": code.title(),
                "status": code.status(),
                "detail": code.explanation(),
                "code": code,
                "requestId": "0198c2f4-6f0a-4a4e-9c65-4a1f2f5f6b7d",
            })));
        content
            .examples
            .insert(code.as_str().to_owned(), RefOr::T(example.build()));
    }
    ResponseBuilder::new()
        .description(names.join("; "))
        .content("application/problem+json", content)
        .build()
}

/// Mounts the document and Swagger UI. The UI is compiled in and asks nobody else.
pub fn serve(config: &mut web::ServiceConfig, document: OpenApi) {
    let text = web::Bytes::from(to_text(&document).unwrap_or_default());
    let ui = UiConfig::from("/openapi.json")
        .try_it_out_enabled(true)
        .persist_authorization(true)
        .deep_linking(true)
        .display_request_duration(true)
        .doc_expansion("list")
        .validator_url("none");
    config
        .route(
            "/openapi.json",
            web::get().to(move || {
                let text = text.clone();
                async move {
                    HttpResponse::Ok()
                        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
                        .content_type("application/json")
                        .body(text)
                }
            }),
        )
        .route(
            "/docs",
            web::get().to(|| async { web::Redirect::to("/docs/index.html").see_other() }),
        )
        .service(SwaggerUi::new("/docs/{_:.*}").config(ui));
}

/// Which methods each address has: documented is mounted, so the document knows.
pub struct PathTable(Vec<(ResourceDef, Vec<&'static str>)>);

impl PathTable {
    /// Reads the table out of the document.
    pub fn new(document: &OpenApi) -> Self {
        let entry = |(path, item): (&String, &utoipa::openapi::PathItem)| {
            let methods = [
                ("GET", item.get.is_some()),
                ("HEAD", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
                ("OPTIONS", true),
            ];
            let methods = methods
                .into_iter()
                .filter(|(_, has)| *has)
                .map(|(method, _)| method)
                .collect();
            (ResourceDef::new(path.as_str()), methods)
        };
        let mut table: Vec<_> = document.paths.paths.iter().map(entry).collect();
        table.push((
            ResourceDef::new("/openapi.json"),
            vec!["GET", "HEAD", "OPTIONS"],
        ));
        table.push((ResourceDef::new("/docs"), vec!["GET", "HEAD", "OPTIONS"]));
        Self(table)
    }

    /// The value of `Allow` for an address; `None` when it does not exist.
    pub fn methods(&self, path: &str) -> Option<String> {
        let matching = self
            .0
            .iter()
            .filter(|(resource, _)| resource.is_match(path));
        let mut methods: Vec<_> = matching
            .flat_map(|(_, methods)| methods.iter().copied())
            .collect();
        methods.sort_unstable();
        methods.dedup();
        (!methods.is_empty()).then(|| methods.join(", "))
    }
}
