//! What `retake-sim` needs and users do not: it runs a simulation in one process and completes
//! its result by a run in another, which is an implementation detail of [`Sim::run`].

use std::future::Future;

pub use crate::deadlock::complete as complete_deadlock;
pub use crate::interpose::heap::lacked_memory;
pub use crate::interpose::prepare;
use crate::{Run, Sim};

/// The first or, with `probes_reversed`, the second run of which [`Sim::run`] consists, and
/// whether the second one is needed: [`complete_deadlock`] then adds its result to the first's.
pub fn run_once<F, Fut>(sim: &Sim, probes_reversed: bool, scenario: F) -> (Run<Fut::Output>, bool)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    sim.run_once(probes_reversed, scenario)
}
