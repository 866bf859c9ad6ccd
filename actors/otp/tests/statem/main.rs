//! State machines follow the rules of `gen_statem`.
#![allow(missing_docs)]

mod common;
mod declarations;
mod events;
mod timeouts;
