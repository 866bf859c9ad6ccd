//! State machines follow the rules of `gen_statem`.

mod common;
mod declarations;
mod events;
mod timeouts;
