//! A uniform choice at every step.

use rand_chacha::ChaCha8Rng;

use super::Scheduler;
use crate::rng::below;
use crate::runnable::Runnable;

/// Runs each runnable task with equal probability.
#[derive(Debug)]
pub(super) struct Uniform {
    rng: ChaCha8Rng,
}

impl Uniform {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self { rng }
    }
}

impl Scheduler for Uniform {
    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        // A single choice needs no draw.
        let rank = match runnable.len() {
            1 => 0,
            len => below(&mut self.rng, len),
        };
        Some(runnable.nth(rank))
    }
}
