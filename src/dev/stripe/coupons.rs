//! Coupons, and what they take off an amount.

use serde_json::{Value, json};

use super::{
    books::{Books, Kind},
    error::ApiError,
    form::Form,
    objects::{field, merge, new_id, now, number, text, with},
};

/// POST /v1/coupons
pub(super) fn create(books: &mut Books, form: &Form) -> Result<Value, ApiError> {
    form.only(&[
        "id",
        "percent_off",
        "amount_off",
        "currency",
        "duration",
        "duration_in_months",
        "name",
        "metadata",
        "max_redemptions",
        "redeem_by",
        "expand",
    ])?;
    let id = form
        .get("id")
        .map_or_else(|| new_id("coupon"), str::to_owned);
    if books.find(Kind::Coupon, &id).is_ok() {
        return Err(ApiError::invalid("Coupon already exists.")
            .code("resource_already_exists")
            .param("id"));
    }
    let coupon = with(
        books.templates.coupon.clone(),
        json!({
            "id": id, "created": now(), "name": form.get("name"), "metadata": form.metadata("metadata")?,
            "duration": form.get("duration").unwrap_or("once"),
            "duration_in_months": form.integer("duration_in_months")?,
            "max_redemptions": form.integer("max_redemptions")?, "redeem_by": form.integer("redeem_by")?,
        }),
    );
    let value = match (form.get("percent_off"), form.integer("amount_off")?) {
        (Some(percent), None) => json!({ "percent_off": parse_percent(percent)? }),
        (None, Some(amount)) if amount > 0 => {
            json!({ "amount_off": amount, "currency": form.require("currency")? })
        }
        _ => {
            return Err(ApiError::invalid(
                "Pass exactly one of percent_off and a positive amount_off.",
            ));
        }
    };
    let coupon = with(coupon, value);
    books.add(Kind::Coupon, coupon.clone());
    Ok(coupon)
}

/// DELETE /v1/coupons/{id}
pub(super) fn delete(books: &mut Books, id: &str) -> Result<Value, ApiError> {
    books.find(Kind::Coupon, id)?;
    books.remove(Kind::Coupon, id);
    Ok(json!({ "id": id, "object": "coupon", "deleted": true }))
}

fn parse_percent(text: &str) -> Result<f64, ApiError> {
    text.parse()
        .ok()
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| {
            let message = "percent_off must be greater than 0 and at most 100.";
            ApiError::parameter("parameter_invalid_number", "percent_off", message)
        })
}

/// The coupon of `discounts[0][coupon]`, if the form has one and it can be redeemed.
pub(super) fn of_session<'a>(books: &'a Books, form: &Form) -> Result<Option<&'a Value>, ApiError> {
    const PARAM: &str = "discounts[0][coupon]";
    if form.has("discounts[1]") {
        return Err(
            ApiError::invalid("You can only apply one discount to a session.").param("discounts"),
        );
    }
    if !form.has("discounts") {
        return Ok(None);
    }
    let id = form.require(PARAM)?;
    let coupon = books.find(Kind::Coupon, id).map_err(|error| {
        ApiError {
            status: 400,
            ..error
        }
        .param(PARAM)
    })?;
    let used_up = field(coupon, "max_redemptions")
        .as_i64()
        .is_some_and(|max| number(coupon, "times_redeemed") >= max);
    let too_late = field(coupon, "redeem_by")
        .as_i64()
        .is_some_and(|last| last < now());
    if used_up || too_late {
        let message = format!("Coupon {id} is expired or used up and cannot be redeemed.");
        return Err(ApiError::invalid(message)
            .code("coupon_expired")
            .param(PARAM));
    }
    Ok(Some(coupon))
}

/// What the coupon takes off `subtotal`; a percentage is rounded half up to the smallest unit.
pub(super) fn discount(coupon: &Value, subtotal: i64, currency: &str) -> Result<i64, ApiError> {
    if let Some(percent) = field(coupon, "percent_off").as_f64() {
        // Stripe takes percentages with up to four decimals; from here on the arithmetic is in integers.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a percentage is at most 100"
        )]
        let ten_thousandths = (percent * 10_000.0).round() as i64;
        return Ok((subtotal * ten_thousandths + 500_000) / 1_000_000);
    }
    if text(coupon, "currency") != currency {
        return Err(
            ApiError::invalid("The coupon's currency is not the session's.").param("discounts"),
        );
    }
    Ok(number(coupon, "amount_off").min(subtotal))
}

/// Counts a redemption by a completed session.
pub(super) fn redeem(books: &mut Books, id: &str) {
    // A coupon may have been deleted since the session was made: then there is nothing to count.
    if let Ok(coupon) = books.find_mut(Kind::Coupon, id) {
        let times = number(coupon, "times_redeemed") + 1;
        let valid = field(coupon, "max_redemptions")
            .as_i64()
            .is_none_or(|max| times < max);
        merge(coupon, json!({ "times_redeemed": times, "valid": valid }));
    }
}
