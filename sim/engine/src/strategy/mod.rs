//! Scheduling strategies: which of the runnable tasks takes the next step.
//!
//! [`Scheduler`] is the one interface, and [`Strategy`] is a strategy as data, for builders,
//! command lines, saved cases and trace headers. What chooses by each is one small file of
//! `sim/core/src/strategy`, or of this folder if it follows a recorded schedule. To add one,
//! write its file, its arm in [`scheduler()`], and its name and settings in
//! `traces/src/strategy.rs`. No strategy finds every bug soonest, so campaigns rotate them.

mod replay;

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use retake_core::strategy::{Deferring, Delaying, Starving, Uniform, pct, pos};

pub use replay::{Deviations, Exact};
pub use retake_core::strategy::{Fifo, Held, Hold, RecordedHolds, Recorder, Scheduler, StepOf};
pub use retake_traces::strategy::{Strategy, StrategyError};

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
