//! What Stripe and Clerk send.

mod clerk;
mod stripe;
