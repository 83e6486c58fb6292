//! The store in numbers, for the owner.

use actix_web::{HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::auth::extractors::Admin;
use crate::handlers::private;
use crate::problem::Problem;
use crate::repositories::statistics;

/// Sums and counts. Amounts are in the currency's smallest unit; what is deleted does not count.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// All that was ever paid.
    pub gross_sales_in_cents: i64,
    pub refunded_in_cents: i64,
    /// Gross less refunded.
    pub net_sales_in_cents: i64,
    /// Claims of free products included.
    pub purchase_count: i64,
    /// Refunds that succeeded or are on their way; each counts, however many a purchase has.
    pub refund_count: i64,
    /// Net sales by customers, rounded down; 0 without customers.
    pub average_net_sale_per_customer_in_cents: i64,
    /// People who bought or claimed something.
    pub customer_count: i64,
    /// People who may open a course.
    pub student_count: i64,
    pub product_count: i64,
    pub course_count: i64,
    pub section_count: i64,
    pub lesson_count: i64,
}

impl From<statistics::Statistics> for Statistics {
    fn from(read: statistics::Statistics) -> Self {
        let net = read.gross_sales_in_cents - read.refunded_in_cents;
        Self {
            gross_sales_in_cents: read.gross_sales_in_cents,
            refunded_in_cents: read.refunded_in_cents,
            net_sales_in_cents: net,
            purchase_count: read.purchase_count,
            refund_count: read.refund_count,
            average_net_sale_per_customer_in_cents: net
                .checked_div(read.customer_count)
                .unwrap_or(0),
            customer_count: read.customer_count,
            student_count: read.student_count,
            product_count: read.product_count,
            course_count: read.course_count,
            section_count: read.section_count,
            lesson_count: read.lesson_count,
        }
    }
}

/// Show the store in numbers
#[utoipa::path(
    tag = "Admin: sales", operation_id = "adminGetStatistics", security(("session" = [])),
    responses((status = 200, description = "The numbers as of now.", body = Statistics))
)]
#[get("/v1/admin/stats")]
pub async fn show(_: Admin, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    let read = state.db.read(|conn| Ok(statistics::read(conn)?)).await?;
    Ok(private(&Statistics::from(read)))
}
