//! The use cases that span several tables: offering, selling, giving.

pub mod access;
pub mod checkout;
pub mod claim;
pub mod close;
pub mod dispute;
pub mod fulfil;
pub mod offer;
pub mod payment;
pub mod people;
pub mod reconcile;
pub mod refund;
