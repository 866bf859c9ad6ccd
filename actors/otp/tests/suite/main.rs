//! The actors of the small OTP behave as those of OTP and poolboy: one module for each
//! family of rules.
#![allow(missing_docs)]

mod calls;
mod common;
mod family;
mod journal;
mod kit;
mod pool;
mod statem;
mod supervisor;
