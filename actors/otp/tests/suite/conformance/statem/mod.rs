//! State machines, after `gen_statem_SUITE`.

mod common;
mod events;
mod timeouts;
