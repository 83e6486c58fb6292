//! The document as it is served, and Swagger UI.

use actix_web::dev::ResourceDef;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::{Config as UiConfig, SwaggerUi};

use super::{document, to_text};
use crate::app::Extra;

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
