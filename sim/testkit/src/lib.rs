//! What the tests of several crates share.
//!
//! [`mod@servant`] has an actor that does what its messages say, whose items are here as well;
//! [`faulted`] runs scenarios under faults and replays them; [`followed`] is a program that is
//! recorded live; [`truth`] runs the reasons of explanations; [`traces`] has runs to read, and
//! files that may say anything. A dev-dependency: no crate that users have needs it.
#![allow(
    missing_docs,
    reason = "each helper is named after what it does in a test"
)]

pub mod faulted;
pub mod followed;
pub mod servant;
pub mod traces;
pub mod truth;

pub use servant::*;
