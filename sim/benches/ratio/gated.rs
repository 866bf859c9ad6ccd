//! The workloads' actors behind gates, for simulations and for the pass-through.
//!
//! The files of `workloads` are compiled twice, here and in `bare`. In them
//! `gate!` puts an actor behind the gate or leaves it as it is, and `sleep` and
//! `spawn` two levels up are the facade's or tokio's.

macro_rules! gate {
    ($($actor:tt)*) => { #[retake::simulated] $($actor)* };
}

#[path = "workloads/mod.rs"]
pub(crate) mod workloads;

pub(crate) use retake::{sleep, spawn};
