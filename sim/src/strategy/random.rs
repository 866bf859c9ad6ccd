//! A uniform choice at every step.

use rand_chacha::ChaCha8Rng;

use super::Scheduler;
use crate::rng::below;
use crate::runnable::Runnable;

/// Runs each runnable task with equal probability.
#[derive(Clone, Debug)]
pub struct Random {
    rng: ChaCha8Rng,
}

impl Random {
    /// Draws from `rng`.
    #[must_use]
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { rng }
    }
}

impl Scheduler for Random {
    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        // A single choice needs no draw.
        let rank = match runnable.len() {
            1 => 0,
            len => below(&mut self.rng, len),
        };
        Some(runnable.nth(rank))
    }
}
