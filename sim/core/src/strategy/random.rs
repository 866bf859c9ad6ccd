//! A uniform choice at every step.

use super::Scheduler;
use crate::random::{Random, below};
use crate::runnable::Runnable;

/// Runs each runnable task with equal probability.
#[derive(Debug)]
pub struct Uniform<R> {
    rng: R,
}

impl<R: Random> Uniform<R> {
    /// Draws from this stream.
    #[must_use]
    pub fn new(rng: R) -> Self {
        Self { rng }
    }
}

impl<R: Random> Scheduler for Uniform<R> {
    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        // A single choice needs no draw.
        let rank = match runnable.len() {
            1 => 0,
            len => below(&mut self.rng, len),
        };
        Some(runnable.nth(rank))
    }
}
