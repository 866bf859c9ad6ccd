//! First in, first out: the order closest to what a runtime does by itself.

use super::Scheduler;
use crate::runnable::Runnable;

/// Runs the task that has been runnable for the most rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fifo;

impl Scheduler for Fifo {
    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        runnable.oldest()
    }
}
