//! A session's line items: what is sold, for how much, and their share of a discount.

use serde_json::{Value, json};

use super::{
    error::ApiError,
    form::Form,
    objects::{merge, new_id, now, number, text},
    sessions::check_url,
};

/// The line items and the products made for them.
pub(super) fn read(form: &Form) -> Result<(Vec<Value>, Vec<Value>), ApiError> {
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

/// In the smallest unit; quantities are held to it as well.
pub(super) const LARGEST_AMOUNT: i64 = 99_999_999;

/// A required whole number from `least` to Stripe's largest amount.
fn whole(form: &Form, name: &str, least: i64) -> Result<i64, ApiError> {
    form.require(name)?;
    form.integer(name)?
        .filter(|number| (least..=LARGEST_AMOUNT).contains(number))
        .ok_or_else(|| {
            let message = format!("{name} must be at least {least} and at most {LARGEST_AMOUNT}.");
            ApiError::parameter("parameter_invalid_integer", name, message)
        })
}

/// Shares the discount among the items by their amounts. The items up to each one together get their share
/// rounded down, so that all of it is given out and no item gets more than its amount.
pub(super) fn spread(items: &mut [Value], subtotal: i64, discount: i64) {
    let (mut so_far, mut given) = (0, 0);
    for item in items {
        let amount = number(item, "amount_subtotal");
        so_far += amount;
        let share = discount * so_far / subtotal.max(1) - given;
        given += share;
        merge(
            item,
            json!({ "amount_discount": share, "amount_total": amount - share }),
        );
    }
}
