//! Rules of OTP and poolboy that the other tests do not name one by one: calls,
//! monitors, order, and cases that their own suites care about.
#![allow(missing_docs)]

#[path = "../family/mod.rs"]
mod family;

mod calls;
mod common;
mod pools;
mod supervision;
