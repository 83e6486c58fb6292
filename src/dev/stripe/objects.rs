//! The full objects that everything starts from: the provider fixtures, with their placeholders put right.

use serde_json::{Value, json};

/// One complete object of each kind, to be copied and filled in.
pub(super) struct Templates {
    pub session: Value,
    pub payment_intent: Value,
    pub charge: Value,
    pub refund: Value,
    pub dispute: Value,
    pub coupon: Value,
    pub event: Value,
    pub fraud_warning: Value,
}

/// Reads the fixture `$name`, which lies beside the tests that use the same files.
macro_rules! fixture {
    ($name:literal, $changes:expr) => {
        serde_json::from_str(include_str!(concat!(
            "../../../tests/fixtures/stripe/",
            $name,
            ".json"
        )))
        .map(|object: Value| with(object, $changes))
    };
}

impl Templates {
    pub(super) fn load() -> serde_json::Result<Self> {
        Ok(Self {
            session: fixture!("checkout.session", session_changes())?,
            payment_intent: fixture!(
                "payment_intent",
                json!({
                    "canceled_at": null, "last_payment_error": null, "next_action": null, "processing": null,
                    "payment_method_configuration_details": null, "shipping": null, "transfer_data": null,
                    "managed_payments": { "enabled": false },
                })
            )?,
            charge: fixture!("charge", charge_changes()).map(without_refunds)?,
            refund: fixture!("refund", json!({}))?,
            dispute: fixture!("dispute", json!({ "enhanced_eligibility_types": [] }))?,
            coupon: fixture!(
                "coupon",
                json!({
                    "currency": null, "duration": "once", "duration_in_months": null, "name": null,
                    "percent_off": null, "redeem_by": null,
                })
            )?,
            event: fixture!("event", json!({}))?,
            fraud_warning: fixture!("radar.early_fraud_warning", json!({}))?,
        })
    }
}

fn session_changes() -> Value {
    json!({
        "adaptive_pricing": { "enabled": false },
        "after_expiration": null,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "cancel_url": null,
        "collected_information": null,
        "consent": null,
        "consent_collection": null,
        "currency_conversion": null,
        "custom_text": {
            "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
        },
        "customer_creation": "if_required",
        "customer_details": null,
        "invoice_creation": {
            "enabled": false,
            "invoice_data": {
                "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
                "issuer": null, "metadata": {}, "rendering_options": null,
            },
        },
        "managed_payments": { "enabled": false },
        "payment_intent": null,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": null,
        "payment_method_types": ["card", "us_bank_account"],
        "permissions": null,
        "saved_payment_method_options": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "success_url": null,
        "url": null,
        "wallet_options": null,
    })
}

fn charge_changes() -> Value {
    json!({
        "billing_details": {
            "address": {
                "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
            },
            "email": null, "name": null, "phone": null, "tax_id": null,
        },
        "description": null,
        "outcome": {
            "advice_code": null, "network_advice_code": null, "network_decline_code": null,
            "network_status": "approved_by_network", "reason": null, "risk_level": "normal",
            "seller_message": "Payment complete.", "type": "authorized",
        },
        "receipt_url": null,
        "shipping": null,
        "source": null,
        "transfer_data": null,
    })
}

/// A charge has shown its refunds only on demand since API version 2022-11-15.
fn without_refunds(mut charge: Value) -> Value {
    if let Some(fields) = charge.as_object_mut() {
        fields.remove("refunds");
    }
    charge
}

/// `object` with the top-level fields of `changes` put in place.
pub(super) fn with(mut object: Value, changes: Value) -> Value {
    merge(&mut object, changes);
    object
}

/// Puts the top-level fields of `changes` in place.
pub(super) fn merge(object: &mut Value, changes: Value) {
    if let (Some(fields), Value::Object(changes)) = (object.as_object_mut(), changes) {
        fields.extend(changes);
    }
}

/// A copy of what is under `key`; null when it is absent.
pub(super) fn field(object: &Value, key: &str) -> Value {
    object.get(key).cloned().unwrap_or_default()
}

/// The text under `key`; empty when it is absent or null.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The integer under `key`; zero when it is absent or null.
pub(super) fn number(object: &Value, key: &str) -> i64 {
    object.get(key).and_then(Value::as_i64).unwrap_or_default()
}

/// A fresh id with Stripe's prefix for its kind.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

/// Seconds since the epoch, as Stripe writes times.
pub(super) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
