//! Refunds, and what they do to their charge.

use serde_json::{Value, json};

use super::{
    books::{Books, Kind},
    disputes,
    error::ApiError,
    events::emit,
    form::Form,
    objects::{field, merge, new_id, now, number, text, with},
};

/// POST /v1/refunds. Source: <https://docs.stripe.com/api/refunds/create>.
pub(super) fn create(books: &mut Books, form: &Form) -> Result<Value, ApiError> {
    form.only(&[
        "payment_intent",
        "charge",
        "amount",
        "reason",
        "metadata",
        "expand",
    ])?;
    let charge_id = match form.get("payment_intent") {
        Some(intent) => text(books.find(Kind::PaymentIntent, intent)?, "latest_charge").to_owned(),
        None if form.has("charge") => form.require("charge")?.to_owned(),
        None => {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(ApiError::parameter(
                "parameter_missing",
                "payment_intent",
                message,
            ));
        }
    };
    let reason = form.get("reason");
    if reason.is_some_and(|r| !matches!(r, "duplicate" | "fraudulent" | "requested_by_customer")) {
        let message =
            "Invalid reason: must be one of duplicate, fraudulent, or requested_by_customer";
        return Err(ApiError::invalid(message).param("reason"));
    }
    refund(
        books,
        &charge_id,
        form.integer("amount")?,
        reason,
        &form.metadata("metadata")?,
    )
}

/// Refunds `amount` of a charge, or all that is left of it.
pub(super) fn refund(
    books: &mut Books,
    charge_id: &str,
    amount: Option<i64>,
    reason: Option<&str>,
    metadata: &Value,
) -> Result<Value, ApiError> {
    let charge = books.find(Kind::Charge, charge_id)?;
    let left = number(charge, "amount") - number(charge, "amount_refunded");
    let amount = amount.unwrap_or(left);
    check(books, charge, left, amount)?;
    let by_card = charge.pointer("/payment_method_details/type") == Some(&json!("card"));
    let status = if by_card && !books.hold_refunds {
        "succeeded"
    } else {
        "pending"
    };
    let destination = if by_card {
        json!({ "type": "card", "card": { "type": "refund", "reference_status": "pending" } })
    } else {
        json!({ "type": "us_bank_transfer", "us_bank_transfer": {} })
    };
    let refund = with(
        books.templates.refund.clone(),
        json!({
            "id": new_id("re"), "created": now(), "amount": amount, "currency": field(charge, "currency"),
            "charge": charge_id, "payment_intent": field(charge, "payment_intent"), "reason": reason,
            "payment_method": field(charge, "payment_method"), "balance_transaction": new_id("txn"),
            "status": status, "metadata": metadata, "destination_details": destination,
        }),
    );
    books.add(Kind::Refund, refund.clone());
    let charge = recount(books, charge_id)?;
    emit(books, "refund.created", &refund);
    emit(books, "charge.refunded", &charge);
    Ok(refund)
}

fn check(books: &Books, charge: &Value, left: i64, amount: i64) -> Result<(), ApiError> {
    let id = text(charge, "id");
    if text(charge, "status") != "succeeded" {
        return Err(
            ApiError::invalid(format!("Charge {id} was not paid and cannot be refunded."))
                .param("charge"),
        );
    }
    if disputes::blocks_refunds(books, id) {
        let message = format!("Charge {id} has been charged back; cannot issue a refund.");
        return Err(ApiError::invalid(message).code("charge_disputed"));
    }
    if left == 0 {
        let message = format!("Charge {id} has already been refunded.");
        return Err(ApiError::invalid(message).code("charge_already_refunded"));
    }
    if amount < 1 {
        let message = "Invalid positive integer";
        return Err(ApiError::parameter(
            "parameter_invalid_integer",
            "amount",
            message,
        ));
    }
    if amount > left {
        let message = format!(
            "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})."
        );
        return Err(ApiError::invalid(message).param("amount"));
    }
    Ok(())
}

/// POST /v1/refunds/{id}/cancel: only while it is pending.
pub(super) fn cancel(books: &mut Books, id: &str) -> Result<Value, ApiError> {
    let status = text(books.find(Kind::Refund, id)?, "status");
    if status != "pending" {
        let message = format!("This refund is {status}; only a pending refund can be canceled.");
        return Err(ApiError::invalid(message));
    }
    change(
        books,
        id,
        json!({ "status": "canceled" }),
        &["refund.updated"],
    )
}

/// Ends a pending refund well.
pub(super) fn settle(books: &mut Books, id: &str) -> Result<Value, ApiError> {
    let status = text(books.find(Kind::Refund, id)?, "status");
    if status != "pending" {
        return Err(ApiError::invalid(format!(
            "This refund is {status}, not pending."
        )));
    }
    change(
        books,
        id,
        json!({ "status": "succeeded" }),
        &["refund.updated"],
    )
}

/// Fails a pending refund, or one that had seemed to succeed: banks do return money days later.
pub(super) fn fail(books: &mut Books, id: &str) -> Result<Value, ApiError> {
    let status = text(books.find(Kind::Refund, id)?, "status");
    if !matches!(status, "pending" | "succeeded") {
        return Err(ApiError::invalid(format!(
            "This refund is {status} and cannot fail."
        )));
    }
    let changes = json!({
        "status": "failed", "failure_reason": "lost_or_stolen_card", "failure_balance_transaction": new_id("txn"),
    });
    change(books, id, changes, &["refund.updated", "refund.failed"])
}

fn change(books: &mut Books, id: &str, changes: Value, events: &[&str]) -> Result<Value, ApiError> {
    let refund = books.find_mut(Kind::Refund, id)?;
    merge(refund, changes);
    let refund = refund.clone();
    recount(books, text(&refund, "charge"))?;
    for event in events {
        emit(books, event, &refund);
    }
    Ok(refund)
}

/// Brings the charge's refunded amounts up to date with its refunds; the charge.
fn recount(books: &mut Books, charge_id: &str) -> Result<Value, ApiError> {
    let refunded: i64 = books
        .all(Kind::Refund)
        .iter()
        .filter(|refund| text(refund, "charge") == charge_id)
        .filter(|refund| matches!(text(refund, "status"), "pending" | "succeeded"))
        .map(|refund| number(refund, "amount"))
        .sum();
    let charge = books.find_mut(Kind::Charge, charge_id)?;
    let whole = refunded == number(charge, "amount");
    merge(
        charge,
        json!({ "amount_refunded": refunded, "refunded": whole }),
    );
    Ok(charge.clone())
}
