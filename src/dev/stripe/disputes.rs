//! Disputes, inquiries and early fraud warnings: what a buyer's bank does about a charge.

use serde_json::{Value, json};

use super::{
    books::{Books, Kind},
    error::ApiError,
    events::emit,
    objects::{field, merge, new_id, now, number, text, with},
};

/// How a dispute ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The money comes back.
    Won,
    /// The money is gone.
    Lost,
    /// An inquiry ended without becoming a dispute.
    InquiryClosed,
}

/// Opens a dispute over the whole charge; as an `inquiry` no money moves yet.
pub(super) fn open(books: &mut Books, charge_id: &str, inquiry: bool) -> Result<Value, ApiError> {
    let charge = books.find_mut(Kind::Charge, charge_id)?;
    if text(charge, "status") != "succeeded" {
        return Err(ApiError::invalid("Only a paid charge can be disputed."));
    }
    merge(charge, json!({ "disputed": true }));
    let charge = charge.clone();
    let mut dispute = with(
        books.templates.dispute.clone(),
        json!({
            "id": new_id("dp"), "created": now(), "charge": charge_id, "payment_intent": field(&charge, "payment_intent"),
            "amount": number(&charge, "amount"), "currency": field(&charge, "currency"), "reason": "fraudulent",
            "status": if inquiry { "warning_needs_response" } else { "needs_response" },
            "is_charge_refundable": inquiry,
        }),
    );
    set(
        &mut dispute,
        "evidence_details",
        "due_by",
        now() + 7 * 24 * 60 * 60,
    );
    if let Some(details) = dispute.get_mut("payment_method_details") {
        set(
            details,
            "card",
            "case_type",
            if inquiry { "inquiry" } else { "chargeback" },
        );
    }
    books.add(Kind::Dispute, dispute.clone());
    emit(books, "charge.dispute.created", &dispute);
    if !inquiry {
        emit(books, "charge.dispute.funds_withdrawn", &dispute);
    }
    Ok(dispute)
}

/// The seller's evidence has been handed in.
pub(super) fn submit_evidence(books: &mut Books, id: &str) -> Result<Value, ApiError> {
    let dispute = pending(books, id)?;
    let status = if is_inquiry(dispute) {
        "warning_under_review"
    } else {
        "under_review"
    };
    merge(dispute, json!({ "status": status }));
    set(dispute, "evidence_details", "has_evidence", true);
    set(dispute, "evidence_details", "submission_count", 1);
    let dispute = dispute.clone();
    emit(books, "charge.dispute.updated", &dispute);
    Ok(dispute)
}

/// Ends a dispute. An inquiry can only be closed as such.
pub(super) fn close(books: &mut Books, id: &str, verdict: Verdict) -> Result<Value, ApiError> {
    let dispute = pending(books, id)?;
    let status = match (verdict, is_inquiry(dispute)) {
        (Verdict::Won, false) => "won",
        (Verdict::Lost, false) => "lost",
        (Verdict::InquiryClosed, true) => "warning_closed",
        _ => {
            return Err(ApiError::invalid(
                "A dispute is won or lost; an inquiry is closed.",
            ));
        }
    };
    merge(
        dispute,
        json!({ "status": status, "is_charge_refundable": verdict != Verdict::Lost }),
    );
    let dispute = dispute.clone();
    emit(books, "charge.dispute.closed", &dispute);
    if verdict == Verdict::Won {
        emit(books, "charge.dispute.funds_reinstated", &dispute);
    }
    Ok(dispute)
}

/// Whether a dispute of the charge, open or lost, keeps it from being refunded.
pub(super) fn blocks_refunds(books: &Books, charge_id: &str) -> bool {
    books.all(Kind::Dispute).iter().any(|dispute| {
        text(dispute, "charge") == charge_id && field(dispute, "is_charge_refundable") == false
    })
}

/// The bank says that the card was probably stolen.
pub(super) fn warn_of_fraud(books: &mut Books, charge_id: &str) -> Result<Value, ApiError> {
    let intent = field(books.find(Kind::Charge, charge_id)?, "payment_intent");
    let warning = with(
        books.templates.fraud_warning.clone(),
        json!({ "id": new_id("issfr"), "created": now(), "charge": charge_id, "payment_intent": intent }),
    );
    books.add(Kind::FraudWarning, warning.clone());
    emit(books, "radar.early_fraud_warning.created", &warning);
    Ok(warning)
}

fn pending<'a>(books: &'a mut Books, id: &str) -> Result<&'a mut Value, ApiError> {
    let dispute = books.find_mut(Kind::Dispute, id)?;
    let status = text(dispute, "status");
    if matches!(status, "won" | "lost" | "warning_closed") {
        return Err(ApiError::invalid(format!(
            "This dispute is over: {status}."
        )));
    }
    Ok(dispute)
}

fn is_inquiry(dispute: &Value) -> bool {
    text(dispute, "status").starts_with("warning_")
}

/// Sets `object[outer][inner]`.
fn set(object: &mut Value, outer: &str, inner: &str, value: impl Into<Value>) {
    if let Some(nested) = object.get_mut(outer) {
        merge(nested, json!({ inner: value.into() }));
    }
}
