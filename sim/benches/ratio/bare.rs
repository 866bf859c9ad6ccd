//! The workloads' actors as ractor alone runs them, see `gated`.

#![allow(
    clippy::duplicate_mod,
    reason = "what is compared is the same code, with and without gates"
)]

macro_rules! gate {
    ($($actor:tt)*) => { $($actor)* };
}

#[path = "workloads/mod.rs"]
pub(crate) mod workloads;

pub(crate) use tokio::spawn;
pub(crate) use tokio::time::sleep;
