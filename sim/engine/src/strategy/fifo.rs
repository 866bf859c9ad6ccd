//! First in, first out: the order closest to what tokio itself would do.

use rand_chacha::ChaCha8Rng;

use super::{Named, Scheduler, Settings};
use crate::runnable::Runnable;

/// Runs the task that has been runnable for the most rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fifo;

impl Named for Fifo {
    const FORM: &'static str = "fifo";

    fn read(_: &mut Settings<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    fn scheduler(&self, _: ChaCha8Rng) -> Box<dyn Scheduler> {
        Box::new(Self)
    }
}

impl Scheduler for Fifo {
    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        runnable.oldest()
    }
}
