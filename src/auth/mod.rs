//! Who is asking: Clerk session tokens and the keys that prove them.

pub mod keys;
pub mod token;
