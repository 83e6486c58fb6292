//! Who is asking: Clerk session tokens, the keys that prove them, and the extractors that handlers name.

pub mod extractors;
pub mod gate;
pub mod keys;
pub mod policy;
pub mod still;
pub mod token;
