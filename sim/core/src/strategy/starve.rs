//! Starvation: one task at a time runs only when no other can.

use super::Scheduler;
use crate::random::{Random, below};
use crate::runnable::Runnable;

/// Starves one task for a while, then another; the others run with equal probability.
#[derive(Debug)]
pub struct Starvation<R> {
    rng: R,
    steps: u64,
    victim: Option<u32>,
    until: u64,
}

impl<R: Random> Starvation<R> {
    /// Starves each victim for about so many steps.
    #[must_use]
    pub fn new(steps: u64, rng: R) -> Self {
        Self {
            rng,
            steps: steps.max(1),
            victim: None,
            until: 0,
        }
    }
}

impl<R: Random> Scheduler for Starvation<R> {
    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        let count = runnable.len();
        if step > self.until || self.victim.is_none() {
            // A task that could run now and does not is the next victim.
            self.victim = Some(runnable.nth(below(&mut self.rng, count)));
            let most = usize::try_from(self.steps.saturating_mul(2)).unwrap_or(usize::MAX);
            self.until = step + below(&mut self.rng, most.max(1)) as u64;
        }
        let hungry = self.victim.filter(|victim| runnable.contains(*victim));
        if count == 1 {
            return Some(runnable.nth(0));
        }
        let Some(hungry) = hungry else {
            return Some(runnable.nth(below(&mut self.rng, count)));
        };
        // Uniform among the others.
        let chosen = runnable.nth(below(&mut self.rng, count - 1));
        Some(if chosen == hungry {
            runnable.nth(count - 1)
        } else {
            chosen
        })
    }
}
