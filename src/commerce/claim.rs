//! Free products: purchase and access at once, without Stripe.

use diesel::PgConnection;
use uuid::Uuid;

use super::checkout::set_aside;
use super::offer::Offer;
use crate::domain::money::Currency;
use crate::problem::{Code, Problem};
use crate::repositories::purchase::{self, NewPurchase};
use crate::repositories::{access_grant, checkout, product, user};

/// Gives a free product. Returns the purchase's id.
///
/// # Errors
/// 404 for what is not on sale, 409 for what is not free or is owned already.
pub fn claim(
    conn: &mut PgConnection,
    user_id: Uuid,
    product_id: Uuid,
    currency: &Currency,
) -> Result<Uuid, Problem> {
    if user::lock(conn, user_id)?.deleted_at.is_some() {
        return Err(Problem::new(Code::AccountDeleted));
    }
    let product = product::lock_on_sale(conn, product_id)?;
    let offer = Offer::of(conn, product, None, currency)?;
    if offer.price.subtotal_in_cents > 0 {
        return Err(Problem::new(Code::ProductNotFree));
    }
    if purchase::is_owned(conn, user_id, product_id)? {
        return Err(Problem::new(Code::AlreadyOwned));
    }
    let courses = access_grant::hold_courses(conn, &offer.course_ids)?;
    let new = NewPurchase {
        user_id,
        product_id,
        product_details: serde_json::to_value(offer.details()).map_err(Problem::internal)?,
        subtotal_in_cents: 0,
        discount_in_cents: 0,
        price_paid_in_cents: 0,
        currency: currency.as_str().to_owned(),
        checkout_id: None,
        stripe_session_id: None,
        stripe_payment_intent_id: None,
        flags: Vec::new(),
    };
    let purchase_id = purchase::insert(conn, &new)?;
    if let Some(live) = checkout::find_live(conn, user_id, product_id)? {
        set_aside(conn, live.id)?;
    }
    access_grant::grant_purchase(conn, user_id, purchase_id, &courses)?;
    Ok(purchase_id)
}
