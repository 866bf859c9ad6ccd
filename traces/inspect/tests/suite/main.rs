//! What is made of traces: a module for each family of rules.
#![allow(missing_docs)]

mod causal;
mod compare;
mod exports;
mod hostile;
mod schema;
