//! Rules of OTP and poolboy that the other tests do not name one by one: calls,
//! monitors, order, and cases that their own suites care about.

mod calls;
mod common;
mod pools;
mod supervision;
