//! Purchases of the past, such as those of a demo store, entered as if they had been paid here.

use serde_json::json;

use super::{
    books::{Books, Kind, Particulars},
    objects::{new_id, with},
    payments::{Outcome, intent_of, new_charge, receipt_url},
};

/// A purchase made before the local Stripe began to keep books, such as one of a demo store.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// `cs_test_...`
    pub session_id: String,
    /// `pi_...`
    pub payment_intent_id: String,
    /// `ch_...`
    pub charge_id: String,
    /// What was sold, for the pages.
    pub product_name: String,
    /// What was paid, in the smallest unit.
    pub amount: i64,
    /// What the coupon took off before, in the smallest unit.
    pub discount: i64,
    /// ISO 4217, lower case.
    pub currency: String,
    /// When it was paid, in seconds since the epoch.
    pub created: i64,
}

/// Enters the adopted purchase as paid, without events; once, however often it is told.
pub(super) fn adopt(books: &mut Books, adopted: &Adopted) {
    if books.find(Kind::Session, &adopted.session_id).is_ok() {
        return;
    }
    let (amount, created) = (adopted.amount, adopted.created);
    let subtotal = amount + adopted.discount;
    let session = with(
        books.templates.session.clone(),
        json!({
            "id": adopted.session_id, "created": created, "expires_at": created + 24 * 60 * 60,
            "ui_mode": "hosted_page", "success_url": books.base_url,
            "amount_subtotal": subtotal, "amount_total": amount, "currency": adopted.currency,
            "total_details": { "amount_discount": adopted.discount, "amount_shipping": 0, "amount_tax": 0 },
            "status": "complete", "payment_status": "paid", "payment_intent": adopted.payment_intent_id,
        }),
    );
    let intent = with(
        intent_of(
            books,
            &with(session.clone(), json!({ "payment_intent": null })),
        ),
        json!({
            "id": adopted.payment_intent_id, "created": created, "status": "succeeded",
            "client_secret": new_id(&format!("{}_secret", adopted.payment_intent_id)),
            "amount_received": amount, "latest_charge": adopted.charge_id,
        }),
    );
    let charge = with(
        new_charge(books, &intent, Outcome::Paid, "US"),
        json!({
            "created": created,
            "id": adopted.charge_id,
            "receipt_url": receipt_url(books, &adopted.charge_id),
        }),
    );
    let item = json!({
        "id": new_id("li"), "object": "item", "adjustable_quantity": null, "amount_discount": adopted.discount,
        "amount_subtotal": subtotal, "amount_tax": 0, "amount_total": amount, "currency": adopted.currency,
        "description": adopted.product_name, "metadata": {}, "price": null, "quantity": 1,
    });
    let particulars = Particulars {
        line_items: vec![item],
        intent_metadata: json!({}),
    };
    books
        .data
        .particulars
        .insert(adopted.session_id.clone(), particulars);
    books.add(Kind::Session, session);
    books.add(Kind::PaymentIntent, intent);
    books.add(Kind::Charge, charge);
}
