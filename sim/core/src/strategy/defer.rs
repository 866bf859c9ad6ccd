//! Run at once unless a coin says to wait.
//!
//! Most steps skip the wait for quiescence, which makes this the cheapest
//! strategy; the few deferred tasks wait until nothing eager is left, which
//! holds them back over many steps and finds bugs under noise.
//!
//! Eager steps run in the order in which tokio polls them. That order is the
//! same in every run except where ractor walks a supervisor's children, whose
//! map is seeded by the process: replay such runs with process isolation.

use super::Scheduler;
use crate::random::{Random, below};
use crate::runnable::Runnable;

/// Runs tasks as they come, deferring each with a probability until no eager work is left.
#[derive(Debug)]
pub struct Deferral<R> {
    /// A draw below this defers.
    threshold: u64,
    rng: R,
}

impl<R: Random> Deferral<R> {
    /// Defers this percentage of the steps.
    #[must_use]
    pub fn new(percent: u64, rng: R) -> Self {
        Self {
            threshold: (percent.min(100) << 32) / 100,
            rng,
        }
    }
}

impl<R: Random> Scheduler for Deferral<R> {
    fn eager(&mut self, _slot: u32, _step: u64) -> bool {
        u64::from(self.rng.next_u32()) >= self.threshold
    }

    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        let rank = below(&mut self.rng, runnable.len());
        Some(runnable.nth(rank))
    }
}
