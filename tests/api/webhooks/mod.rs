//! What Stripe and Clerk send.

mod clerk;
mod clerk_signature;
mod origin;
mod replay;
mod stripe;
mod stripe_shapes;
mod stripe_signature;
mod workers;
