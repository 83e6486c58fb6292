//! The OpenAPI document: collected from the mounted handlers, and completed with what is true of all of them.

mod examples;
mod headers;
mod links;
mod operation;
mod problems;
mod served;
pub mod webhooks;

use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    Components, ComponentsBuilder, ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref,
    RefOr, Schema, ServerBuilder,
};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

use self::examples::Examples;
pub use self::served::{Served, serve};
use crate::domain::deleted::Deleted;
use crate::handlers::admin::course::CourseSort;
use crate::handlers::product::ProductSort;
use crate::http::page::Include;
use crate::problem::ProblemBody;
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
    let mut collected = OpenApi::default();
    router::routes(&mut collected);
    let app = actix_web::App::new().into_utoipa_app();
    let (_, added) = app.configure(extra).split_for_parts();
    collected.merge(added);
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
                operation::complete(path, method, operation, &examples);
            }
        }
    }
    collected.components = Some(components);
    webhooks::describe(&mut collected);
    links::describe(&mut collected);
    problems::share(&mut collected);
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
