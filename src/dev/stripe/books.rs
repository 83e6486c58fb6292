//! What the local Stripe knows: its objects, kept answers and undelivered events, in memory and in a file.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    delivery::{Attempt, Pending},
    error::ApiError,
    idempotency::Kept,
    objects::{Templates, text},
};

/// The kinds of object that are kept and can be asked for by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    Session,
    PaymentIntent,
    Charge,
    Refund,
    Dispute,
    FraudWarning,
    Coupon,
    Product,
    Event,
}

impl Kind {
    /// Stripe's `object`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "checkout.session",
            Self::PaymentIntent => "payment_intent",
            Self::Charge => "charge",
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::FraudWarning => "radar.early_fraud_warning",
            Self::Coupon => "coupon",
            Self::Product => "product",
            Self::Event => "event",
        }
    }

    /// The kind that an id's prefix tells; coupons have ids of the seller's choice.
    pub(super) fn of_id(id: &str) -> Option<Self> {
        let (prefix, _) = id.split_once('_')?;
        Some(match prefix {
            "cs" => Self::Session,
            "pi" => Self::PaymentIntent,
            "ch" => Self::Charge,
            "re" => Self::Refund,
            "dp" => Self::Dispute,
            "issfr" => Self::FraudWarning,
            "prod" => Self::Product,
            "evt" => Self::Event,
            _ => return None,
        })
    }
}

/// What belongs to a session without being shown in it.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Particulars {
    /// Shown only under `expand[]=line_items`.
    pub line_items: Vec<Value>,
    /// `payment_intent_data[metadata]`, for the payment intent that does not exist yet.
    pub intent_metadata: Value,
}

/// All that survives a restart.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Data {
    objects: BTreeMap<Kind, Vec<Value>>,
    pub particulars: BTreeMap<String, Particulars>,
    pub kept_answers: BTreeMap<String, Kept>,
    pub pending: Vec<Pending>,
    pub attempts: BTreeMap<String, Vec<Attempt>>,
}

/// The data with what is needed to work on it.
pub(super) struct Books {
    pub data: Data,
    pub templates: Templates,
    /// Where the pay pages and receipts are, without a slash at the end.
    pub base_url: String,
    /// The `request` of events made now: an API request's id and key, or nulls for a control.
    pub cause: Cause,
    /// Card refunds stay `pending` until they are settled, as refunds to bank accounts always do.
    pub hold_refunds: bool,
}

/// Who caused a change.
#[derive(Clone, Default, Serialize)]
pub(super) struct Cause {
    pub id: Option<String>,
    pub idempotency_key: Option<String>,
}

impl Books {
    /// Every object of the kind, oldest first.
    pub(super) fn all(&self, kind: Kind) -> &[Value] {
        self.data.objects.get(&kind).map_or(&[], Vec::as_slice)
    }

    pub(super) fn find(&self, kind: Kind, id: &str) -> Result<&Value, ApiError> {
        self.all(kind)
            .iter()
            .find(|object| text(object, "id") == id)
            .ok_or_else(|| ApiError::missing(kind.name(), id))
    }

    /// The object with this id, of whatever kind. A coupon's id is of the seller's choice and may look like
    /// another kind's.
    pub(super) fn find_any(&self, id: &str) -> Option<&Value> {
        let kinds = [Kind::of_id(id), Some(Kind::Coupon)];
        let mut kinds = kinds.into_iter().flatten();
        kinds.find_map(|kind| self.find(kind, id).ok())
    }

    pub(super) fn find_mut(&mut self, kind: Kind, id: &str) -> Result<&mut Value, ApiError> {
        self.data
            .objects
            .entry(kind)
            .or_default()
            .iter_mut()
            .find(|object| text(object, "id") == id)
            .ok_or_else(|| ApiError::missing(kind.name(), id))
    }

    pub(super) fn add(&mut self, kind: Kind, object: Value) {
        self.data.objects.entry(kind).or_default().push(object);
    }

    pub(super) fn remove(&mut self, kind: Kind, id: &str) {
        if let Some(objects) = self.data.objects.get_mut(&kind) {
            objects.retain(|object| text(object, "id") != id);
        }
    }
}

impl Data {
    /// Reads the file, if there is one.
    pub(super) fn load(file: &Path) -> io::Result<Self> {
        match fs::read(file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file as a whole, so that a crash leaves either the old or the new one.
    pub(super) fn save(&self, file: &Path) -> io::Result<()> {
        let next = file.with_extension("next");
        fs::write(&next, serde_json::to_vec(self)?)?;
        fs::rename(next, file)
    }
}
