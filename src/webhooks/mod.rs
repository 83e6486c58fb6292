//! Receiving what Stripe and Clerk send: proof of origin first, then everything else.

pub mod signature;
