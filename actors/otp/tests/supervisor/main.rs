//! The supervisor restarts, gives up and stops as OTP's does.
#![allow(missing_docs)]

#[path = "../family/mod.rs"]
mod family;

mod children;
mod common;
mod restarts;
