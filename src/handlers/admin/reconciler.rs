//! Repair on demand.

use actix_web::{HttpResponse, post, web};

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::commerce::reconcile::{self, Occasion, Report};
use crate::handlers::private;
use crate::problem::{Code, Problem};

/// Reconcile with Stripe and Clerk
///
/// Asks both about everything that is open and takes over what no webhook has brought. It happens by itself every few
/// minutes; this does it at once and says what was mended. Twice in a row, the second finds nothing.
#[utoipa::path(
    tag = "Admin: repair", operation_id = "adminReconcile", security(("session" = [])),
    responses(
        (status = 200, description = "What was mended.", body = Report),
        (status = 409, description = "reconcile-running"),
    )
)]
#[post("/v1/admin/reconcile")]
pub async fn run(_: Admin, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    match reconcile::run(&state, Occasion::Demand).await? {
        Some(report) => Ok(private(&report)),
        None => Err(Problem::new(Code::ReconcileRunning).retry_after(30)),
    }
}
