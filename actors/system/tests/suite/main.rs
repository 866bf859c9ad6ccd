//! The governed system keeps its rules: one module for each family of them.
#![allow(missing_docs)]

mod common;
mod docs;
mod entitlement;
mod failures;
mod governor;
mod ingress;
mod invariants;
mod ledger;
mod own;
mod points;
mod system;
