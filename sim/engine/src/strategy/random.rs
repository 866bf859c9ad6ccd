//! A uniform choice at every step.

use rand_chacha::ChaCha8Rng;

use super::{Named, Scheduler, Settings};
use crate::rng::below;
use crate::runnable::Runnable;

/// Runs each runnable task with equal probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Random;

impl Named for Random {
    const FORM: &'static str = "random";

    fn read(_: &mut Settings<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn scheduler(&self, rng: ChaCha8Rng) -> Box<dyn Scheduler> {
        Box::new(Uniform { rng })
    }
}

#[derive(Debug)]
struct Uniform {
    rng: ChaCha8Rng,
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
