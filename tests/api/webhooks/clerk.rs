//! Clerk's events: people who appear, change and go, in any order.
