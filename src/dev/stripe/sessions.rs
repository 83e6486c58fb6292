//! Checkout sessions: making them by Stripe's rules, and their end by expiry.

use serde_json::{Value, json};

use super::{
    books::{Books, Kind, Particulars},
    coupons,
    error::ApiError,
    events::emit,
    form::Form,
    items::{self, LARGEST_AMOUNT},
    objects::{field, merge, new_id, now, number, text, with},
};

/// Parameters that are shown in the session as they were sent.
const ECHOED: [&str; 7] = [
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer_email",
    "locale",
    "return_url",
    "submit_type",
];

/// Parameters that have an effect of their own.
const UNDERSTOOD: [&str; 12] = [
    "adaptive_pricing",
    "discounts",
    "expand",
    "expires_at",
    "line_items",
    "metadata",
    "mode",
    "payment_intent_data",
    "payment_method_types",
    "redirect_on_completion",
    "success_url",
    "ui_mode",
];

/// POST /v1/checkout/sessions. Source: <https://docs.stripe.com/api/checkout/sessions/create>.
pub(super) fn create(books: &mut Books, form: &Form) -> Result<Value, ApiError> {
    form.only(&[&ECHOED[..], &UNDERSTOOD[..]].concat())?;
    if form.require("mode")? != "payment" {
        return Err(ApiError::invalid("The local Stripe serves mode=payment only.").param("mode"));
    }
    let ui_mode = check_ui_mode(form)?;
    let expires_at = check_expiry(form)?;
    if form
        .get("customer_email")
        .is_some_and(|email| !email.contains('@'))
    {
        let message = "Invalid email address.";
        return Err(ApiError::invalid(message)
            .code("email_invalid")
            .param("customer_email"));
    }

    let (mut items, products) = items::read(form)?;
    let currency = items
        .first()
        .map(|item| text(item, "currency").to_owned())
        .unwrap_or_default();
    let subtotal: i64 = items
        .iter()
        .map(|item| number(item, "amount_subtotal"))
        .sum();
    check_maximum(subtotal)?;
    let coupon = coupons::of_session(books, form)?;
    let discount = coupon.map_or(Ok(0), |coupon| {
        coupons::discount(coupon, subtotal, &currency)
    })?;
    let discounts: Vec<_> = coupon
        .map(|coupon| json!({ "coupon": field(coupon, "id"), "promotion_code": null }))
        .into_iter()
        .collect();
    let total = subtotal - discount;
    check_minimum(total, &currency)?;
    items::spread(&mut items, subtotal, discount);

    let id = new_id("cs_test");
    let hosted = ui_mode == "hosted_page";
    let mut session = with(
        books.templates.session.clone(),
        json!({
            "id": id, "created": now(), "expires_at": expires_at, "ui_mode": ui_mode,
            "amount_subtotal": subtotal, "amount_total": total, "currency": currency, "discounts": discounts,
            "total_details": { "amount_discount": discount, "amount_shipping": 0, "amount_tax": 0 },
            "metadata": form.metadata("metadata")?, "success_url": form.get("success_url"),
            "adaptive_pricing": { "enabled": form.get("adaptive_pricing[enabled]") == Some("true") },
            "url": hosted.then(|| pay_url(books, &id)),
            "client_secret": (!hosted).then(|| new_id(&format!("{id}_secret"))),
        }),
    );
    for name in ECHOED {
        merge(&mut session, json!({ name: form.get(name) }));
    }
    if form.has("payment_method_types") {
        merge(
            &mut session,
            json!({ "payment_method_types": form.list("payment_method_types") }),
        );
    }
    let particulars = Particulars {
        line_items: items,
        intent_metadata: form.metadata("payment_intent_data[metadata]")?,
    };
    for product in products {
        books.add(Kind::Product, product);
    }
    books.data.particulars.insert(id, particulars);
    books.add(Kind::Session, session.clone());
    Ok(session)
}

/// The page where the session can be paid, whatever its `ui_mode`.
pub(super) fn pay_url(books: &Books, session_id: &str) -> String {
    format!("{}/pay/{session_id}", books.base_url)
}

/// POST /v1/checkout/sessions/{id}/expire, and the expiry that time brings.
pub(super) fn expire(books: &mut Books, id: &str) -> Result<Value, ApiError> {
    let session = books.find_mut(Kind::Session, id)?;
    let status = text(session, "status");
    if status != "open" {
        return Err(ApiError::invalid(format!(
            "Only Checkout Sessions with a status in [\"open\"] can be expired. \
             This Checkout Session has a status of {status}."
        )));
    }
    merge(session, json!({ "status": "expired", "url": null }));
    let session = session.clone();
    emit(books, "checkout.session.expired", &session);
    Ok(session)
}

/// Expires every open session whose time has come; says whether there was any.
pub(super) fn expire_due(books: &mut Books) -> bool {
    let time = now();
    let due: Vec<_> = books
        .all(Kind::Session)
        .iter()
        .filter(|session| {
            text(session, "status") == "open" && number(session, "expires_at") <= time
        })
        .map(|session| text(session, "id").to_owned())
        .collect();
    due.iter().filter(|id| expire(books, id).is_ok()).count() > 0
}

/// Which URLs each mode requires and forbids.
fn check_ui_mode(form: &Form) -> Result<&str, ApiError> {
    let ui_mode = form.get("ui_mode").unwrap_or("hosted_page");
    let (required, forbidden): (&str, &[&str]) = match ui_mode {
        "hosted_page" => ("success_url", &["return_url", "redirect_on_completion"]),
        "embedded_page" | "elements" => ("return_url", &["success_url", "cancel_url"]),
        _ => {
            let message = "Invalid ui_mode: must be one of embedded_page, hosted_page, or elements";
            return Err(ApiError::invalid(message).param("ui_mode"));
        }
    };
    if let Some(name) = forbidden.iter().find(|name| form.has(name)) {
        let message = format!("`{name}` is not allowed when `ui_mode` is `{ui_mode}`.");
        return Err(ApiError::invalid(message).param(*name));
    }
    if form.get("redirect_on_completion") != Some("never") {
        form.require(required)?;
    }
    for name in ["return_url", "success_url", "cancel_url"] {
        check_url(form, name)?;
    }
    Ok(ui_mode)
}

pub(super) fn check_url(form: &Form, name: &str) -> Result<(), ApiError> {
    let absolute =
        |url: &str| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match form.get(name) {
        Some(url) if !absolute(url) => {
            let message = "Not a valid URL: an explicit scheme (such as https) must be provided.";
            Err(ApiError::invalid(message).code("url_invalid").param(name))
        }
        _ => Ok(()),
    }
}

/// 30 minutes to 24 hours ahead; 24 hours when nothing is said.
fn check_expiry(form: &Form) -> Result<i64, ApiError> {
    const NAME: &str = "expires_at";
    let (earliest, latest) = (now() + 30 * 60, now() + 24 * 60 * 60);
    let chosen = form.integer(NAME)?.unwrap_or(latest);
    let wrong = if chosen < earliest {
        "at least 30 minutes"
    } else if chosen > latest {
        "less than 24 hours"
    } else {
        return Ok(chosen);
    };
    let message = format!("The `{NAME}` timestamp must be {wrong} from Checkout Session creation.");
    Err(ApiError::invalid(message).param(NAME))
}

/// Stripe charges at most eight digits. Source: <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>.
fn check_maximum(subtotal: i64) -> Result<(), ApiError> {
    if subtotal <= LARGEST_AMOUNT {
        return Ok(());
    }
    let message = "The Checkout Session's amount must be at most 99999999 in smallest units.";
    Err(ApiError::invalid(message).code("amount_too_large"))
}

/// The smallest charge in a currency, in its smallest unit; zero is free and always allowed.
/// Source: <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>.
fn check_minimum(total: i64, currency: &str) -> Result<(), ApiError> {
    let minimum = match currency {
        "gbp" => 30,
        "aed" | "myr" | "pln" | "ron" => 200,
        "bgn" => 100,
        "dkk" => 250,
        "nok" | "sek" => 300,
        "hkd" => 400,
        "mxn" | "thb" => 1000,
        "czk" => 1500,
        "huf" => 17_500,
        _ => 50,
    };
    if total == 0 || total >= minimum {
        return Ok(());
    }
    let message = format!(
        "The Checkout Session's total amount due must add up to at least {minimum} {currency} in smallest units."
    );
    Err(ApiError::invalid(message).code("amount_too_small"))
}
