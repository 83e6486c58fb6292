//! The yardstick for answers that need no database: `lectern`'s own server with all its middleware, and a route whose
//! answer is as long as it is asked to be.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use lectern::app::AppState;
use lectern::config::Config;
use lectern::{server, telemetry};

/// The longest answer, in bytes.
const LONGEST: usize = 1 << 20;

/// Serves it until the process is ended.
///
/// # Errors
/// When the configuration is not complete, or the address is taken.
pub async fn serve() -> anyhow::Result<()> {
    let config = Config::from_variables(|name| std::env::var(name).ok())?;
    let _telemetry = telemetry::init(&config)?;
    let listener = server::bind(config.bind_addr)?;
    let body = web::Data::new(web::Bytes::from(vec![b' '; LONGEST]));
    server::run(
        listener,
        AppState::new(config)?,
        false,
        Arc::new(move |config| {
            config
                .app_data(body.clone())
                .route("/fixed/{length}", web::get().to(answer));
        }),
    )
    .await
}

async fn answer(body: web::Data<web::Bytes>, length: web::Path<usize>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(header::ContentType::json())
        .body(body.slice(..length.into_inner().min(LONGEST)))
}
