//! Receiving what Stripe and Clerk send: proof of origin first, then everything else.

pub mod clerk;
pub mod money;
mod needed;
pub mod origin;
pub mod receive;
pub mod signature;
pub mod stripe;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It had its effect, or that effect was there already.
    Processed,
    /// It is not for this store, or says nothing that the store needs; with the reason.
    Ignored(&'static str),
}
