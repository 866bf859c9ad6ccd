//! Scheduling strategies: which of the runnable tasks takes the next step.
//!
//! [`Scheduler`] is the one interface, and [`Strategy`] is a strategy as data, for builders,
//! command lines, saved cases and trace headers. What chooses by each is one small file. To add
//! one, write its file, its arm in [`scheduler()`], and its name and settings in
//! `traces/src/strategy.rs`. No strategy finds every bug soonest, so campaigns rotate them.

mod defer;
mod delays;
mod fifo;
mod hold;
mod pct;
mod pos;
mod random;
mod replay;
mod starve;

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use crate::runnable::Runnable;
use defer::Deferring;
use delays::Delaying;
use random::Uniform;
use starve::Starving;

pub use fifo::Fifo;
pub use hold::{Held, RecordedHolds, Recorder};
pub use replay::{Deviations, Exact};
pub use retake_traces::strategy::{Hold, StepOf, Strategy, StrategyError};

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

/// What chooses by this strategy, drawing from `rng`.
///
/// A strategy whose choices are not data, that of a live process or of user code, is first in,
/// first out here.
#[must_use]
pub fn scheduler(strategy: &Strategy, rng: ChaCha8Rng) -> Box<dyn Scheduler> {
    match strategy {
        Strategy::Fifo | Strategy::Live | Strategy::Custom(_) => Box::new(Fifo),
        Strategy::Random => Box::new(Uniform::new(rng)),
        Strategy::Pct { depth, steps } => Box::new(pct::Priorities::new(*depth, *steps, rng)),
        Strategy::Pos => Box::new(pos::Priorities::new(rng)),
        Strategy::Starve { steps } => Box::new(Starving::new(*steps, rng)),
        Strategy::Defer { percent } => Box::new(Deferring::new(*percent, rng)),
        Strategy::Delays { count, steps } => Box::new(Delaying::new(*count, *steps, rng)),
        Strategy::Replay(schedule) => Box::new(Exact::new(Arc::clone(schedule))),
        Strategy::Deviations(deviations) => Box::new(Deviations::new(Arc::clone(deviations))),
        Strategy::Holds(holds) => Box::new(Held::new(holds)),
    }
}
