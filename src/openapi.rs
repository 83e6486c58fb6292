//! The OpenAPI document: collected from the mounted handlers, completed with what is true of all of them, served.

mod examples;
mod headers;
mod links;
pub mod webhooks;

use std::collections::BTreeMap;

use actix_web::dev::ResourceDef;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::json;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayItems, KnownFormat, SchemaFormat};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    Components, ComponentsBuilder, ContactBuilder, Content, HeaderBuilder, InfoBuilder,
    LicenseBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::{Config as UiConfig, SwaggerUi};

use self::examples::Examples;
use crate::app::Extra;
use crate::domain::deleted::Deleted;
use crate::handlers::admin::course::CourseSort;
use crate::handlers::product::ProductSort;
use crate::http::page::Include;
use crate::problem::{Code, ProblemBody};
use crate::router;

/// The tag of what `cargo run` adds.
pub const DEVELOPMENT: &str = "Development";

/// The document as it is committed: independent of where the server runs.
pub fn committed() -> OpenApi {
    document(|_| {}, "http://127.0.0.1:8080")
}

/// The document as text, the way it is committed in `openapi/openapi.json`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn to_text(document: &OpenApi) -> Result<String, serde_json::Error> {
    document.to_pretty_json().map(|json| json + "\n")
}

/// Collects what the handlers say, `extra` ones included, and completes it.
fn document(extra: impl FnOnce(&mut ServiceConfig), public_url: &str) -> OpenApi {
    let (_, mut collected) = actix_web::App::new()
        .into_utoipa_app()
        .configure(|config| router::routes(config))
        .configure(extra)
        .split_for_parts();
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
    collected.tags = Some(tags(&collected));
    let components = collected.components.take().unwrap_or_default();
    let mut schemas = Vec::new();
    <ProblemBody<'static> as ToSchema>::schemas(&mut schemas);
    schemas.extend([
        named::<ProblemBody<'_>>(),
        named::<ProductSort>(),
        named::<CourseSort>(),
        named::<Deleted>(),
        named::<Include>(),
    ]);
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
                        "A Clerk session token, from `getToken()` of Clerk's SDK; in the development store, from `POST /dev/tokens`. Paste it alone, without `Bearer`.",
                    ))
                    .build(),
            ),
        );
    let mut components = webhooks::security_schemes()
        .into_iter()
        .fold(components, |builder, (name, scheme)| {
            builder.security_scheme(name, scheme)
        })
        .build();
    name_rows(&mut components);
    let examples = Examples::new(&components);
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
                name_parameters(&components, operation);
                complete(path, method, operation, &examples);
            }
        }
    }
    collected.components = Some(components);
    webhooks::describe(&mut collected);
    links::describe(&mut collected);
    collected
}

/// Lets pages refer to the schema of their rows, which is written out in each of them otherwise.
fn name_rows(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        if let Some(row) = name.strip_prefix("Page_")
            && let RefOr::T(Schema::Object(page)) = schema
            && let Some(RefOr::T(Schema::Array(data))) = page.properties.get_mut("data")
        {
            let row = RefOr::Ref(Ref::from_schema_name(row));
            data.items = ArrayItems::RefOrSchema(Box::new(row));
        }
    }
}

fn named<T: ToSchema>() -> (String, RefOr<Schema>) {
    (T::name().into_owned(), T::schema())
}

/// Lets parameters refer to schemas that have a name, which are written out in each of them otherwise: a client has one
/// type for each then, and not one for each operation.
fn name_parameters(components: &Components, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some(schema) = &mut parameter.schema
            && let Some((name, _)) = components.schemas.iter().find(|(_, it)| *it == schema)
        {
            *schema = RefOr::Ref(Ref::from_schema_name(name));
        }
    }
}

fn tags(document: &OpenApi) -> Vec<Tag> {
    let is_development = document.paths.paths.contains_key("/dev/tokens");
    let development = (
        DEVELOPMENT,
        "What `cargo run` adds: a session token to paste into Authorize.",
    );
    let always = [
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
        (
            webhooks::DELIVERIES,
            "The same from the sender's side, as Stripe and Clerk call it: the webhooks of this document.",
        ),
        ("Operation", "Health, and the explanation of errors."),
    ];
    let tags = is_development
        .then_some(development)
        .into_iter()
        .chain(always);
    tags.map(|(name, description)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    })
    .collect()
}

/// Adds what follows from an operation's shape, so that no handler repeats it: who may call it, the errors, examples.
fn complete(path: &str, method: &str, operation: &mut Operation, examples: &Examples) {
    let is_webhook = operation.tags.iter().flatten().any(|tag| tag == "Webhooks");
    let is_development = operation
        .tags
        .iter()
        .flatten()
        .any(|tag| tag == DEVELOPMENT);
    let secured = operation.security.is_some() && !is_webhook;
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
    let mut codes = vec![Code::NotAcceptable];
    if operation.request_body.is_some() {
        codes.extend([Code::MalformedRequest, Code::PayloadTooLarge]);
    }
    if operation.request_body.is_some() && !is_development {
        codes.push(Code::UnsupportedMediaType);
    }
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
    let fault = an_invalid_value(operation, examples);
    for (status, codes) in by_status {
        operation
            .responses
            .responses
            .insert(status, RefOr::T(problem_response(&codes, &fault, examples)));
    }
    headers::tell_limits(path, &mut operation.responses);
    show_path_ids(path, operation);
    show_bodies(operation, examples);
    say_who(operation, is_admin);
}

/// Ends the description with who may call the operation, and says so to machines where nobody has to sign in.
fn say_who(operation: &mut Operation, is_admin: bool) {
    let security = operation.security.get_or_insert_default();
    let who = if security.contains(&SecurityRequirement::new(
        webhooks::STRIPE_SIGNATURE,
        NO_SCOPES,
    )) {
        "Called by Stripe."
    } else if security.contains(&SecurityRequirement::new(
        webhooks::CLERK_SIGNATURE,
        NO_SCOPES,
    )) {
        "Called by Clerk."
    } else if is_admin {
        "For admins."
    } else if security.is_empty() {
        "Open to everybody."
    } else if security.contains(&SecurityRequirement::default()) {
        "Open to everybody; a session token, when one is sent, has to be valid and is taken into account."
    } else {
        "For people who are signed in."
    };
    operation.description = Some(match operation.description.take() {
        Some(description) if !description.is_empty() => format!("{description}\n\n{who}"),
        _ => who.to_owned(),
    });
}

const NO_SCOPES: [&str; 0] = [];

/// Gives every id in the path an example, because Swagger UI sends nothing while one is missing.
fn show_path_ids(path: &str, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
            && let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema
            && schema.format == Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))
        {
            let id = examples::id_in_path(path, &parameter.name);
            *parameter = ParameterBuilder::from(parameter.clone())
                .example(id.map(|id| json!(id)))
                .build();
        }
    }
}

/// Gives every JSON body an example, unless the handler gave one.
fn show_bodies(operation: &mut Operation, examples: &Examples) {
    let show = |content: &mut RefOr<Content>| {
        if let RefOr::T(content) = content
            && let Some(schema) = &content.schema
            && content.example.is_none()
            && content.examples.is_empty()
        {
            content.example = Some(examples.of(schema));
        }
    };
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(show);
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.values_mut().for_each(show);
        }
    }
}

/// How a value of this operation that cannot be accepted is named.
fn an_invalid_value(operation: &Operation, examples: &Examples) -> serde_json::Value {
    let schema = match &operation.request_body {
        Some(RefOr::T(body)) => match body.content.values().next() {
            Some(RefOr::T(content)) => content.schema.as_ref(),
            _ => None,
        },
        _ => None,
    };
    match schema.and_then(|schema| examples.a_field_of(schema)) {
        Some(pointer) => {
            json!({ "pointer": pointer, "code": "null", "detail": "must not be null" })
        }
        None => {
            json!({ "parameter": "colour", "code": "unknown-field", "detail": "is not a field of this request" })
        }
    }
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

fn problem_response(
    codes: &[Code],
    fault: &serde_json::Value,
    examples: &Examples,
) -> utoipa::openapi::Response {
    let names: Vec<_> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", code.title()))
        .collect();
    let mut content = Content::new(Some(RefOr::<utoipa::openapi::Schema>::Ref(
        Ref::from_schema_name("Problem"),
    )));
    for code in codes {
        let mut value = json!({
            "type": format!("/problems/{code}"),
            "title": code.title(),
            "status": code.status(),
            "detail": code.explanation(),
            "code": code,
            "requestId": "54b2df92-0b16-4e56-b673-2a0154b4396b",
        });
        let more = match code {
            Code::Invalid => Some(("errors", json!([fault]))),
            Code::PriceChanged => {
                let quote = RefOr::Ref(Ref::from_schema_name("Quote"));
                Some(("quote", examples.of(&quote)))
            }
            _ => None,
        };
        if let (Some((name, shown)), Some(fields)) = (more, value.as_object_mut()) {
            fields.insert(name.to_owned(), shown);
        }
        let example = utoipa::openapi::example::ExampleBuilder::new()
            .summary(code.title())
            .value(Some(value));
        content
            .examples
            .insert(code.as_str().to_owned(), RefOr::T(example.build()));
    }
    let response = ResponseBuilder::new()
        .description(names.join("; "))
        .content("application/problem+json", content);
    let header = |description: &str| {
        HeaderBuilder::new()
            .schema(Some(<String as PartialSchema>::schema()))
            .description(Some(description))
            .build()
    };
    match codes.first().map(|code| code.status()) {
        Some(401) => response.header("WWW-Authenticate", header("`Bearer`")),
        Some(429 | 503) => response.header("Retry-After", header("When to try again, in seconds.")),
        _ => response,
    }
    .build()
}

/// Mounts the document and Swagger UI. The UI is compiled in and asks nobody else.
pub fn serve(config: &mut web::ServiceConfig) {
    let ui = UiConfig::from("/openapi.json")
        .try_it_out_enabled(true)
        .persist_authorization(true)
        .deep_linking(true)
        .display_request_duration(true)
        .doc_expansion("list")
        .use_base_layout()
        .validator_url("none");
    config
        .route(
            "/openapi.json",
            web::get().to(async |served: web::Data<Served>| {
                HttpResponse::Ok()
                    .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
                    .content_type("application/json")
                    .body(served.text.clone())
            }),
        )
        .route(
            "/docs",
            web::get().to(|| async { web::Redirect::to("/docs/index.html").see_other() }),
        )
        .service(SwaggerUi::new("/docs/{_:.*}").config(ui));
}

/// The document as it is served, made once for all workers.
pub struct Served {
    text: web::Bytes,
    /// Which methods each address has: documented is mounted, so the document knows.
    methods: Vec<(ResourceDef, Vec<&'static str>)>,
}

impl Served {
    /// Of every endpoint, and of what development adds.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn new(extra: &Extra, public_url: &str) -> Result<Self, serde_json::Error> {
        let document = document(|config| extra(config), public_url);
        let entry = |(path, item): (&String, &utoipa::openapi::PathItem)| {
            let all = [
                ("GET", item.get.is_some()),
                ("HEAD", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("PATCH", item.patch.is_some()),
                ("DELETE", item.delete.is_some()),
                ("OPTIONS", true),
            ];
            let existing = all
                .into_iter()
                .filter(|(_, has)| *has)
                .map(|(method, _)| method);
            (ResourceDef::new(path.as_str()), existing.collect())
        };
        let mut methods: Vec<_> = document.paths.paths.iter().map(entry).collect();
        for path in ["/openapi.json", "/docs", "/docs/{file}"] {
            methods.push((ResourceDef::new(path), vec!["GET", "HEAD", "OPTIONS"]));
        }
        Ok(Self {
            text: to_text(&document)?.into(),
            methods,
        })
    }

    /// The value of `Allow` for an address; `None` when it does not exist.
    pub fn methods(&self, path: &str) -> Option<String> {
        let matching = self
            .methods
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
