//! For the operator's probes.

use actix_web::{HttpResponse, get, web};
use chrono::{TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::private;
use crate::app::AppState;
use crate::db;
use crate::problem::{Code, Problem};
use crate::repositories::webhook_event;

/// How long an event may wait in the inbox before an instance calls itself not ready.
const INBOX_LAG: TimeDelta = TimeDelta::minutes(5);

/// All is well.
#[derive(Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

const OK: Health = Health { status: "ok" };

/// Whether the process answers
#[utoipa::path(tag = "Operation", operation_id = "getHealth", responses((status = 200, description = "It answers.", body = Health)))]
#[get("/healthz")]
pub async fn healthz() -> HttpResponse {
    private(&OK)
}

/// Whether the instance should get traffic
///
/// Checks the database, the migrations, that the inbox of webhook events does not lag, and that the instance is not about
/// to end.
#[utoipa::path(
    tag = "Operation", operation_id = "getReadiness",
    responses((status = 200, description = "It should.", body = Health), (status = 503, description = "not-ready, database-unavailable"))
)]
#[get("/readyz")]
pub async fn readyz(state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    if *state.stopping.borrow() {
        return Err(
            Problem::unavailable(Code::NotReady, 10).detail("This instance is about to end.")
        );
    }
    let (pending, lags) = state
        .db
        .read_patiently(|conn| {
            let pending = db::pending_migrations(conn).map_err(Problem::internal)?;
            let lags = pending.is_empty() && webhook_event::lags(conn, Utc::now() - INBOX_LAG)?;
            Ok((pending.len(), lags))
        })
        .await?;
    if pending > 0 {
        return Err(Problem::unavailable(Code::NotReady, 10)
            .detail(format!("{pending} migrations are not applied.")));
    }
    if lags {
        return Err(Problem::unavailable(Code::NotReady, 10)
            .detail("The inbox of webhook events lags behind."));
    }
    Ok(private(&OK))
}
