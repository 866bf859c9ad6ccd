//! The same seed gives the same run, and what people read of it is kept: a module for each family of
//! rules.
#![allow(missing_docs, clippy::disallowed_types, clippy::disallowed_methods)]

mod classics;
mod common;
mod determinism;
mod documented;
mod environments;
mod golden;
mod planted;
mod stories;
