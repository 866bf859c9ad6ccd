//! Starvation: one task at a time runs only when no other can.

use rand_chacha::ChaCha8Rng;

use super::{Named, Scheduler, Settings};
use crate::rng::below;
use crate::runnable::Runnable;

/// Starves one task for a while, then another; the others run with equal probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Starve {
    /// Steps for which a task starves on average, at least 1.
    pub steps: u64,
}

impl Named for Starve {
    const FORM: &'static str = "starve[:steps=100]";

    fn read(settings: &mut Settings<'_>) -> Result<Self, String> {
        let steps = settings.take("steps", 100, 1..=1_000_000_000)?;
        Ok(Self { steps })
    }

    fn settings(&self) -> Vec<(&'static str, u64)> {
        vec![("steps", self.steps)]
    }

    fn scheduler(&self, rng: ChaCha8Rng) -> Box<dyn Scheduler> {
        Box::new(Starving {
            rng,
            steps: self.steps.max(1),
            victim: None,
            until: 0,
        })
    }
}

#[derive(Debug)]
struct Starving {
    rng: ChaCha8Rng,
    steps: u64,
    victim: Option<u32>,
    until: u64,
}

impl Scheduler for Starving {
    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        let count = runnable.len();
        if step > self.until || self.victim.is_none() {
            // A task that could run now and does not is the next victim.
            self.victim = Some(runnable.nth(below(&mut self.rng, count)));
            let most = usize::try_from(2 * self.steps).unwrap_or(usize::MAX);
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
