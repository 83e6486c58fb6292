//! Paying a session: payment intents and charges, at once, later, or not at all.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    books::{Books, Kind},
    coupons,
    error::ApiError,
    events::emit,
    objects::{field, merge, new_id, now, number, text, with},
};

/// What happens when a person pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The card is charged at once.
    Paid,
    /// A bank debit is on its way: the session completes unpaid, until [`settle`].
    Delayed,
    /// The card is declined; the session stays open for another try.
    Declined,
}

/// Pays an open session with a card (or bank account) of `country`; the session as it is afterwards.
pub(super) fn pay(
    books: &mut Books,
    id: &str,
    outcome: Outcome,
    country: &str,
) -> Result<Value, ApiError> {
    let session = books.find(Kind::Session, id)?.clone();
    let status = text(&session, "status");
    if status != "open" {
        return Err(ApiError::invalid(format!(
            "This Checkout Session is {status} and cannot be paid."
        )));
    }
    if number(&session, "amount_total") == 0 {
        return complete(books, id, "no_payment_required");
    }
    let intent = intent_of(books, &session);
    let charge = new_charge(books, &intent, outcome, country);
    let charge_id = text(&charge, "id").to_owned();
    books.add(Kind::Charge, charge);
    let intent_id = text(&intent, "id").to_owned();
    books.add(
        Kind::PaymentIntent,
        with(intent, json!({ "latest_charge": charge_id })),
    );
    merge(
        books.find_mut(Kind::Session, id)?,
        json!({ "payment_intent": intent_id }),
    );

    match outcome {
        Outcome::Paid => {
            succeed(books, &intent_id)?;
            complete(books, id, "paid")
        }
        Outcome::Delayed => {
            let processing =
                json!({ "status": "processing", "processing": null, "last_payment_error": null });
            merge(books.find_mut(Kind::PaymentIntent, &intent_id)?, processing);
            complete(books, id, "unpaid")
        }
        Outcome::Declined => {
            fail(
                books,
                &intent_id,
                "card_declined",
                "Your card was declined.",
            )?;
            Ok(books.find(Kind::Session, id)?.clone())
        }
    }
}

/// Ends the waiting for a delayed payment; the session as it is afterwards.
pub(super) fn settle(books: &mut Books, id: &str, succeeded: bool) -> Result<Value, ApiError> {
    let session = books.find(Kind::Session, id)?;
    let intent_id = text(session, "payment_intent").to_owned();
    if !is_on_its_way(books, session) {
        return Err(ApiError::invalid(
            "This Checkout Session does not wait for a delayed payment.",
        ));
    }
    let event = if succeeded {
        succeed(books, &intent_id)?;
        merge(
            books.find_mut(Kind::Session, id)?,
            json!({ "payment_status": "paid" }),
        );
        "checkout.session.async_payment_succeeded"
    } else {
        fail(
            books,
            &intent_id,
            "payment_method_customer_decline",
            "The bank refused the debit.",
        )?;
        "checkout.session.async_payment_failed"
    };
    let session = books.find(Kind::Session, id)?.clone();
    emit(books, event, &session);
    Ok(session)
}

/// Whether the session waits for a delayed payment.
pub(super) fn is_on_its_way(books: &Books, session: &Value) -> bool {
    let intent = books.find(Kind::PaymentIntent, text(session, "payment_intent"));
    intent.is_ok_and(|intent| text(intent, "status") == "processing")
}

/// The session's payment intent, taken out of the books: the one of a declined try, or a new one.
pub(super) fn intent_of(books: &mut Books, session: &Value) -> Value {
    let known = text(session, "payment_intent");
    if let Ok(intent) = books.find(Kind::PaymentIntent, known) {
        let intent = intent.clone();
        books.remove(Kind::PaymentIntent, known);
        return intent;
    }
    let id = new_id("pi");
    let metadata = books.data.particulars.get(text(session, "id")).map_or_else(
        || json!({}),
        |particulars| particulars.intent_metadata.clone(),
    );
    with(
        books.templates.payment_intent.clone(),
        json!({
            "id": id, "client_secret": new_id(&format!("{id}_secret")), "created": now(),
            "amount": field(session, "amount_total"), "currency": field(session, "currency"), "metadata": metadata,
            "payment_method_types": field(session, "payment_method_types"),
        }),
    )
}

pub(super) fn new_charge(books: &Books, intent: &Value, outcome: Outcome, country: &str) -> Value {
    let id = new_id("ch");
    let mut charge = with(
        books.templates.charge.clone(),
        json!({
            "id": id, "created": now(), "amount": field(intent, "amount"), "currency": field(intent, "currency"),
            "metadata": field(intent, "metadata"), "payment_intent": field(intent, "id"), "payment_method": new_id("pm"),
            "balance_transaction": new_id("txn"), "captured": true, "amount_captured": field(intent, "amount"),
            "receipt_url": receipt_url(books, &id),
        }),
    );
    if outcome == Outcome::Delayed {
        let account = json!({
            "account_holder_type": "individual", "account_type": "checking", "bank_name": "STRIPE TEST BANK",
            "fingerprint": "AOB934RVNwzk6xtn", "last4": "6789", "routing_number": "110000000",
        });
        let details = json!({ "type": "us_bank_account", "us_bank_account": account });
        merge(
            &mut charge,
            json!({ "payment_method_details": details, "status": "pending", "paid": false }),
        );
    } else {
        let mut details = field(&charge, "payment_method_details");
        if let Some(card) = details.get_mut("card") {
            merge(
                card,
                json!({
                    "country": country, "installments": null, "three_d_secure": null, "wallet": null,
                    "overcapture": { "maximum_amount_capturable": field(intent, "amount"), "status": "unavailable" },
                }),
            );
        }
        merge(&mut charge, json!({ "payment_method_details": details }));
    }
    charge
}

pub(super) fn receipt_url(books: &Books, charge_id: &str) -> String {
    format!("{}/receipts/{charge_id}", books.base_url)
}

fn succeed(books: &mut Books, intent_id: &str) -> Result<(), ApiError> {
    let intent = books.find_mut(Kind::PaymentIntent, intent_id)?;
    let received = field(intent, "amount");
    merge(
        intent,
        json!({ "status": "succeeded", "amount_received": received, "processing": null, "last_payment_error": null }),
    );
    let intent = intent.clone();
    let charge = books.find_mut(Kind::Charge, text(&intent, "latest_charge"))?;
    merge(charge, json!({ "status": "succeeded", "paid": true }));
    let charge = charge.clone();
    emit(books, "charge.succeeded", &charge);
    emit(books, "payment_intent.succeeded", &intent);
    Ok(())
}

fn fail(books: &mut Books, intent_id: &str, code: &str, message: &str) -> Result<(), ApiError> {
    let intent = books.find_mut(Kind::PaymentIntent, intent_id)?;
    let charge_id = text(intent, "latest_charge").to_owned();
    let error = json!({
        "type": "card_error", "code": code, "decline_code": "generic_decline", "message": message,
        "charge": charge_id, "doc_url": "https://docs.stripe.com/error-codes",
    });
    let changes = json!({ "status": "requires_payment_method", "processing": null, "last_payment_error": error });
    merge(intent, changes);
    let intent = intent.clone();
    let charge = books.find_mut(Kind::Charge, &charge_id)?;
    merge(
        charge,
        json!({
            "status": "failed", "paid": false, "captured": false, "amount_captured": 0, "balance_transaction": null,
            "failure_code": code, "failure_message": message, "receipt_url": null,
        }),
    );
    let charge = charge.clone();
    emit(books, "charge.failed", &charge);
    emit(books, "payment_intent.payment_failed", &intent);
    Ok(())
}

fn complete(books: &mut Books, id: &str, payment_status: &str) -> Result<Value, ApiError> {
    let session = books.find_mut(Kind::Session, id)?;
    let email = match text(session, "customer_email") {
        "" => "buyer@example.com",
        email => email,
    };
    let customer = json!({
        "address": null, "business_name": null, "email": email, "individual_name": null, "name": null,
        "phone": null, "tax_exempt": "none", "tax_ids": [],
    });
    merge(
        session,
        json!({ "status": "complete", "payment_status": payment_status, "url": null, "customer_details": customer }),
    );
    let session = session.clone();
    if let Some(coupon) = session
        .pointer("/discounts/0/coupon")
        .and_then(Value::as_str)
    {
        coupons::redeem(books, coupon);
    }
    emit(books, "checkout.session.completed", &session);
    Ok(session)
}
