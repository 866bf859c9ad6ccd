//! Strategies: which of the runnable tasks takes the next step.
//!
//! [`Scheduler`] is the one interface, and each strategy is one small file. No strategy finds
//! every bug soonest.

mod defer;
mod delays;
mod fifo;
mod hold;
pub mod pct;
pub mod pos;
mod random;
mod starve;

use crate::runnable::Runnable;

pub use defer::Deferring;
pub use delays::Delaying;
pub use fifo::Fifo;
pub use hold::{Held, Hold, RecordedHolds, Recorder, StepOf};
pub use random::Uniform;
pub use starve::Starving;

/// Decides which runnable task takes the next step.
///
/// Its decisions must be a function of what it is shown and of its own random
/// stream. Tasks are named by their slot, a small number that is reused after
/// the task has ended.
pub trait Scheduler {
    /// A task came into existence in this slot; `serial` is its number in traces.
    fn started(&mut self, slot: u32, serial: u32) {
        let _ = (slot, serial);
    }

    /// A task could run now. True runs it at once, before the system is
    /// quiescent; false makes it runnable.
    fn eager(&mut self, slot: u32, step: u64) -> bool {
        let _ = (slot, step);
        false
    }

    /// A task became runnable. Of those that did between two picks the order is not a
    /// function of the seed: it must not decide anything.
    fn arrived(&mut self, slot: u32) {
        let _ = slot;
    }

    /// Choose the task for step number `step` (from 1) among the runnable, of
    /// which there is at least one. `None` if the strategy cannot continue, which
    /// ends the run as diverged.
    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32>;

    /// Why the last pick was `None`.
    fn reason(&self) -> String {
        String::new()
    }
}
