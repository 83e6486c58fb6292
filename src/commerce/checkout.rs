//! Opening checkouts: the offer is frozen and committed first, then Stripe hears of it, then what it
//! said is recorded. A crash between any two steps is mended by repeating them.

use chrono::{DurationRound, TimeDelta, Utc};
use diesel::PgConnection;
use uuid::Uuid;

use super::offer::{Offer, ProductDetails};
use super::{close, fulfil};
use crate::app::AppState;
use crate::domain::enums::{CheckoutStatus, CheckoutUiMode};
use crate::domain::money::Currency;
use crate::handlers::quote::Quote;
use crate::jobs::{self, Job};
use crate::problem::{Code, FieldError, Problem};
use crate::providers::stripe::{NewSession, StripeError};
use crate::repositories::checkout::{
    self, CheckoutRow, CheckoutWithPurchase, NewCheckout, SessionFacts,
};
use crate::repositories::user::{self, UserRow};
use crate::repositories::{product, purchase, user_course_access};

/// How long a session stays open, and with it the offer; Stripe allows 30 minutes to 24 hours.
const LIFETIME: TimeDelta = TimeDelta::hours(12);
/// A session that ends sooner than this is not handed out again: the buyer needs time to pay.
const REUSABLE_FOR: TimeDelta = TimeDelta::minutes(10);
/// For how long a checkout keeps to one idempotency key although Stripe answers with errors of its own.
const KEY_PATIENCE: TimeDelta = TimeDelta::minutes(1);
/// Stands for our id in a return URL.
const CHECKOUT_ID_PLACEHOLDER: &str = "{CHECKOUT_ID}";

/// What a buyer asks for.
#[derive(Debug, Clone)]
pub struct Order {
    pub product_id: Uuid,
    pub ui_mode: CheckoutUiMode,
    pub return_url: String,
    /// Whose discount applies, ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// What the buyer was shown.
    pub expected_total_in_cents: Option<i32>,
}

/// Opens a checkout, or returns the buyer's open one for the same offer.
///
/// # Errors
/// Everything that speaks against the sale (404, 409, 422), and 503 when Stripe does not answer.
pub async fn open(
    state: &AppState,
    buyer: UserRow,
    order: Order,
) -> Result<CheckoutWithPurchase, Problem> {
    let currency = state.config.currency.clone();
    let begin_once = || {
        let (buyer, order, currency) = (buyer.clone(), order.clone(), currency.clone());
        state
            .db
            .transaction(move |conn| begin(conn, &buyer, &order, &currency))
    };
    let mut begun = begin_once().await?;
    if let Begun::Replaces(old) = begun {
        // Closed at Stripe before another is opened: nobody can pay both. If it was paid meanwhile, the second
        // look says so.
        match close::cancel(state, old).await {
            Err(problem) if problem.code() != Code::CheckoutNotOpen => return Err(problem),
            _ => begun = begin_once().await?,
        }
    }
    let Begun::Checkout(row) = begun else {
        return Err(Problem::new(Code::Conflict));
    };
    if row.status == CheckoutStatus::Creating {
        create_at_stripe(state, row.id).await
    } else {
        Ok((*row, None))
    }
}

/// What an order leads to.
enum Begun {
    Checkout(Box<CheckoutRow>),
    /// Another offer's session is open at Stripe and has to be closed first.
    Replaces(Uuid),
}

/// Freezes the offer, unless the buyer has a checkout of the same one already.
fn begin(
    conn: &mut PgConnection,
    buyer: &UserRow,
    order: &Order,
    currency: &Currency,
) -> Result<Begun, Problem> {
    // One buyer's orders come one after the other: of two clicks, the second finds the checkout of the first.
    let buyer = user::lock(conn, buyer.id)?;
    if buyer.deleted_at.is_some() {
        return Err(Problem::new(Code::AccountDeleted));
    }
    let product = product::lock_on_sale(conn, order.product_id)?;
    let offer = Offer::of(conn, product, order.country.clone(), currency)?;
    let total = offer.price.total_in_cents;
    if offer.price.subtotal_in_cents == 0 {
        return Err(Problem::new(Code::ProductFree));
    }
    if purchase::is_owned(conn, buyer.id, order.product_id)? {
        return Err(Problem::new(Code::AlreadyOwned));
    }
    if order
        .expected_total_in_cents
        .is_some_and(|expected| expected != total)
    {
        let overlap = user_course_access::overlap(conn, buyer.id, &offer.course_ids)?;
        return Err(Problem::new(Code::PriceChanged).quote(&Quote::new(
            &offer.price,
            false,
            overlap,
        )));
    }
    if total < currency.minimum_charge() && total > 0 {
        return Err(Problem::new(Code::BelowMinimumCharge));
    }
    if let Some(live) = checkout::find_live(conn, buyer.id, order.product_id)? {
        if live.status == CheckoutStatus::Processing || is_same_offer(&live, &offer, order) {
            return Ok(Begun::Checkout(live.into()));
        }
        if live.stripe_session_id.is_some() {
            return Ok(Begun::Replaces(live.id));
        }
        set_aside(conn, live.id)?;
    }
    let row = checkout::insert(conn, &freeze(&buyer, offer, order)?)?;
    Ok(Begun::Checkout(row.into()))
}

fn is_same_offer(live: &CheckoutRow, offer: &Offer, order: &Order) -> bool {
    live.expires_at > Utc::now() + REUSABLE_FOR
        && live.ui_mode == order.ui_mode
        && live.return_url == order.return_url
        && live.subtotal_in_cents == offer.price.subtotal_in_cents
        && live.total_in_cents == offer.price.total_in_cents
        && live.currency == offer.price.currency.as_str()
        && serde_json::to_value(offer.details())
            .is_ok_and(|details| details == live.product_details)
        && live.course_ids.iter().flatten().eq(&offer.course_ids)
}

/// Gives up a checkout that was not paid. Should it be paid all the same, it is fulfilled.
pub fn set_aside(conn: &mut PgConnection, id: Uuid) -> Result<(), Problem> {
    if checkout::lock(conn, id)?.status.is_live() {
        let facts = SessionFacts {
            status: Some(CheckoutStatus::Canceled),
            ..SessionFacts::default()
        };
        checkout::record(conn, id, &facts)?;
        jobs::enqueue(conn, &Job::ExpireCheckout { checkout_id: id })?;
    }
    Ok(())
}

fn freeze(buyer: &UserRow, offer: Offer, order: &Order) -> Result<NewCheckout, Problem> {
    Ok(NewCheckout {
        user_id: buyer.id,
        product_id: offer.product.id,
        ui_mode: order.ui_mode,
        return_url: order.return_url.clone(),
        product_details: serde_json::to_value(offer.details()).map_err(Problem::internal)?,
        subtotal_in_cents: offer.price.subtotal_in_cents,
        percent_off: offer.price.percent_off,
        discount_in_cents: offer.price.discount_in_cents,
        total_in_cents: offer.price.total_in_cents,
        currency: offer.price.currency.as_str().to_owned(),
        country: offer.price.country,
        customer_email: buyer.email.clone(),
        course_ids: offer.course_ids,
        // Stripe counts in whole seconds.
        expires_at: (Utc::now() + LIFETIME)
            .duration_trunc(TimeDelta::seconds(1))
            .map_err(Problem::internal)?,
    })
}

/// Opens the session at Stripe, once: whoever waited for the lock finds it open.
pub async fn create_at_stripe(state: &AppState, id: Uuid) -> Result<CheckoutWithPurchase, Problem> {
    let _guard = state.lock_checkout(id).await?;
    let (row, purchase_id) = state
        .db
        .read(move |conn| Ok(checkout::find(conn, id)?))
        .await?;
    if row.status != CheckoutStatus::Creating {
        return usable((row, purchase_id));
    }
    let key_is_spent = row.created_at < Utc::now() - KEY_PATIENCE;
    let session = match state
        .stripe
        .create_checkout_session(&new_session(row)?)
        .await
    {
        Ok(session) => session,
        Err(error) => {
            // Asking again would be refused again, and Stripe repeats a failure of its own for as long as it knows
            // the key: the buyer's next attempt starts afresh. Otherwise it goes on under the same key.
            let is_over = match &error {
                StripeError::Refused { .. } => true,
                StripeError::Broken { .. } => key_is_spent,
                StripeError::Unavailable(_) | StripeError::Unreadable => false,
            };
            if is_over {
                state.db.transaction(move |conn| fail(conn, id)).await?;
            }
            return Err(error.into());
        }
    };
    fulfil::settle(state, id, session).await?;
    let opened = state
        .db
        .read(move |conn| Ok(checkout::find(conn, id)?))
        .await?;
    usable(opened)
}

/// Hands out a checkout that can still be paid, or was; one that ended while this request waited is no success.
fn usable(found: CheckoutWithPurchase) -> Result<CheckoutWithPurchase, Problem> {
    match found.0.status {
        CheckoutStatus::Failed | CheckoutStatus::Expired | CheckoutStatus::Canceled => {
            Err(Problem::unavailable(Code::PaymentProviderUnavailable, 1))
        }
        _ => Ok(found),
    }
}

/// Ends a checkout for which Stripe opens no session.
fn fail(conn: &mut PgConnection, id: Uuid) -> Result<(), Problem> {
    if checkout::lock(conn, id)?.status == CheckoutStatus::Creating {
        let facts = SessionFacts {
            status: Some(CheckoutStatus::Failed),
            ..SessionFacts::default()
        };
        checkout::record(conn, id, &facts)?;
    }
    Ok(())
}

/// The parameters of a session, all of them from the frozen row, so that a repetition says the same.
fn new_session(row: CheckoutRow) -> Result<NewSession, Problem> {
    let details: ProductDetails =
        serde_json::from_value(row.product_details).map_err(Problem::internal)?;
    Ok(NewSession {
        checkout_id: row.id,
        name: details.name,
        description: details.description,
        image_url: details.image_url,
        subtotal_in_cents: row.subtotal_in_cents,
        percent_off: row.percent_off,
        currency: row.currency.parse().map_err(Problem::internal)?,
        ui_mode: row.ui_mode,
        return_url: row
            .return_url
            .replace(CHECKOUT_ID_PLACEHOLDER, &row.id.to_string()),
        customer_email: row.customer_email,
        expires_at: row.expires_at,
    })
}

/// Refuses to send a buyer to a page that is not the store's.
///
/// # Errors
/// 422 at `/returnUrl`.
pub fn check_return_url(state: &AppState, return_url: &str) -> Result<(), Problem> {
    // Others may read differently what the parser forgives: controls, blanks, backslashes, user names.
    let url = url::Url::parse(return_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .filter(|_| {
            return_url
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        });
    let origin = url.map(|url| url.origin().ascii_serialization());
    if origin.is_some_and(|origin| state.config.return_origins.allows(&origin)) {
        return Ok(());
    }
    let detail = "must be an absolute URL of one of the store's frontends (RETURN_ORIGINS)";
    Err(Problem::invalid(vec![FieldError::at(
        "/returnUrl",
        "foreign-origin",
        detail,
    )]))
}
