//! What the tests of several crates share.
//!
//! [`mod@servant`] has an actor that does what its messages say, [`acting`] one that is a state and
//! a function, [`outcomes`] takes runs apart, [`folder`] has a folder of a test's own; their items
//! are here as well. [`faulted`] runs scenarios under faults and replays them; [`followed`] is a
//! program that is recorded live; [`truth`] runs the reasons of explanations; [`traces`] has runs to
//! read, and files that may say anything. A dev-dependency: no crate that users have needs it.
#![allow(
    missing_docs,
    reason = "each helper is named after what it does in a test"
)]

pub mod acting;
pub mod faulted;
pub mod folder;
pub mod followed;
pub mod outcomes;
pub mod servant;
pub mod traces;
pub mod truth;

pub use acting::*;
pub use folder::Folder;
pub use outcomes::*;
pub use servant::*;
