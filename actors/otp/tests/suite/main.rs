//! The actors of the small OTP behave as those of OTP and poolboy: one module for each
//! family of rules.
#![allow(missing_docs)]

mod conformance;
mod family;
mod invariants;
mod journal;
mod kit;
mod otp_rules;
mod pool;
mod pool_model;
mod statem;
mod supervisor;
mod supervisor_model;
