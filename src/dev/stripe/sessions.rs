//! Checkout sessions: making them by Stripe's rules, and their end by expiry.

use serde_json::{Value, json};

use super::{
    books::{Books, Kind, Particulars},
    coupons,
    error::ApiError,
    events::emit,
    form::Form,
    objects::{merge, new_id, now, number, text, with},
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

    let (mut items, products) = line_items(form)?;
    let currency = items
        .first()
        .map(|item| text(item, "currency").to_owned())
        .unwrap_or_default();
    let subtotal: i64 = items
        .iter()
        .map(|item| number(item, "amount_subtotal"))
        .sum();
    let coupon = coupons::of_session(books, form)?;
    let discount = coupon.map_or(Ok(0), |coupon| {
        coupons::discount(coupon, subtotal, &currency)
    })?;
    let discounts: Vec<_> = coupon
        .map(|coupon| json!({ "coupon": coupon["id"], "promotion_code": null }))
        .into_iter()
        .collect();
    let total = subtotal - discount;
    check_minimum(total, &currency)?;
    spread(&mut items, subtotal, discount);

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

fn check_url(form: &Form, name: &str) -> Result<(), ApiError> {
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

/// The line items and the products made for them.
fn line_items(form: &Form) -> Result<(Vec<Value>, Vec<Value>), ApiError> {
    let (mut items, mut products) = (Vec::new(), Vec::new());
    while form.has(&format!("line_items[{}]", items.len())) {
        let (item, product) = line_item(form, &format!("line_items[{}]", items.len()))?;
        if items
            .first()
            .is_some_and(|first| text(first, "currency") != text(&item, "currency"))
        {
            return Err(
                ApiError::invalid("All line items must have the same currency.")
                    .param("line_items"),
            );
        }
        items.push(item);
        products.push(product);
    }
    if items.is_empty() {
        let message = "Missing required param: line_items.";
        return Err(ApiError::parameter(
            "parameter_missing",
            "line_items",
            message,
        ));
    }
    Ok((items, products))
}

fn line_item(form: &Form, at: &str) -> Result<(Value, Value), ApiError> {
    let price_data = format!("{at}[price_data]");
    let product_data = format!("{price_data}[product_data]");
    let currency = form
        .require(&format!("{price_data}[currency]"))?
        .to_lowercase();
    if currency.len() != 3 || !currency.chars().all(|c| c.is_ascii_lowercase()) {
        let param = format!("{price_data}[currency]");
        return Err(ApiError::invalid(format!("Invalid currency: {currency}.")).param(param));
    }
    let unit_amount = whole(form, &format!("{price_data}[unit_amount]"), 0)?;
    let quantity = whole(form, &format!("{at}[quantity]"), 1)?;
    let name = form.require(&format!("{product_data}[name]"))?;
    let images = form.list(&format!("{product_data}[images]"));
    for index in 0..images.len() {
        check_url(form, &format!("{product_data}[images][{index}]"))?;
    }

    let (created, product_id, amount) = (now(), new_id("prod"), unit_amount * quantity);
    let item = json!({
        "id": new_id("li"), "object": "item", "adjustable_quantity": null, "amount_discount": 0,
        "amount_subtotal": amount, "amount_tax": 0, "amount_total": amount, "currency": currency,
        "description": name, "metadata": {}, "quantity": quantity,
        "price": {
            "id": new_id("price"), "object": "price", "active": false, "billing_scheme": "per_unit",
            "created": created, "currency": currency, "custom_unit_amount": null, "livemode": false,
            "lookup_key": null, "metadata": {}, "nickname": null, "product": product_id, "recurring": null,
            "tax_behavior": "unspecified", "tiers_mode": null, "transform_quantity": null, "type": "one_time",
            "unit_amount": unit_amount, "unit_amount_decimal": unit_amount.to_string(),
        },
    });
    let product = json!({
        "id": product_id, "object": "product", "active": false, "created": created, "default_price": null,
        "description": form.get(&format!("{product_data}[description]")), "images": images, "livemode": false,
        "marketing_features": [], "metadata": form.metadata(&format!("{product_data}[metadata]"))?,
        "name": name, "package_dimensions": null, "shippable": null, "statement_descriptor": null,
        "tax_code": null, "type": "service", "unit_label": null, "updated": created, "url": null,
    });
    Ok((item, product))
}

/// A required whole number from `least` to Stripe's largest amount.
fn whole(form: &Form, name: &str, least: i64) -> Result<i64, ApiError> {
    form.require(name)?;
    form.integer(name)?
        .filter(|number| (least..=99_999_999).contains(number))
        .ok_or_else(|| {
            let message = format!("{name} must be at least {least} and at most 99999999.");
            ApiError::parameter("parameter_invalid_integer", name, message)
        })
}

/// Shares the discount among the items by their amounts; the last takes what rounding leaves.
fn spread(items: &mut [Value], subtotal: i64, discount: i64) {
    let (mut left, count) = (discount, items.len());
    for (index, item) in items.iter_mut().enumerate() {
        let amount = number(item, "amount_subtotal");
        let share = if index + 1 == count {
            left
        } else {
            discount * amount / subtotal.max(1)
        };
        left -= share;
        merge(
            item,
            json!({ "amount_discount": share, "amount_total": amount - share }),
        );
    }
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
