//! Run at once unless a coin says to wait.
//!
//! Most steps skip the wait for quiescence, which makes this the cheapest
//! strategy; the few deferred tasks wait until nothing eager is left, which
//! holds them back over many steps and finds bugs under noise.
//!
//! Eager steps run in the order in which tokio polls them. That order is the
//! same in every run except where ractor walks a supervisor's children, whose
//! map is seeded by the process: replay such runs with process isolation.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::{Named, Scheduler, Settings};
use crate::rng::below;
use crate::runnable::Runnable;

/// Runs tasks as they come, deferring each with a probability until no eager work is left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defer {
    /// Probability of deferring, in percent, 0 to 100.
    pub percent: u32,
}

impl Named for Defer {
    const FORM: &'static str = "defer[:percent=10]";

    fn read(settings: &mut Settings<'_>) -> Result<Self, String> {
        let percent = settings.take("percent", 10, 0..=100)? as u32;
        Ok(Self { percent })
    }

    fn settings(&self) -> Vec<(&'static str, u64)> {
        vec![("percent", self.percent.into())]
    }

    fn scheduler(&self, rng: ChaCha8Rng) -> Box<dyn Scheduler> {
        Box::new(Deferring {
            threshold: (u64::from(self.percent) << 32) / 100,
            rng,
        })
    }
}

#[derive(Debug)]
struct Deferring {
    /// A draw below this defers.
    threshold: u64,
    rng: ChaCha8Rng,
}

impl Scheduler for Deferring {
    fn eager(&mut self, _slot: u32, _step: u64) -> bool {
        u64::from(self.rng.next_u32()) >= self.threshold
    }

    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        let rank = below(&mut self.rng, runnable.len());
        Some(runnable.nth(rank))
    }
}
