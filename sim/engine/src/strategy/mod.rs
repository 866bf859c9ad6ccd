//! Scheduling strategies: which of the runnable tasks takes the next step.
//!
//! [`Scheduler`] is the one interface, and [`Strategy`] is a strategy as data, for builders,
//! command lines, saved cases and trace headers. What chooses by each is one small file of
//! `sim/core/src/strategy`, where the list of them is, or of this folder if it follows a recorded
//! schedule. No strategy finds every bug soonest, so campaigns rotate them.

mod replay;

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

pub use replay::{Deviations, Exact};
pub use retake_core::strategy::{
    Fifo, Hold, HoldKeeper, RecordedHolds, Recorder, Scheduler, StepOf,
};
pub use retake_core::task::{NewTask, TaskKind};
pub use retake_traces::strategy::{Strategy, StrategyError, forms};

macro_rules! choosing {
    ($(
        $(#[$doc:meta])*
        $name:literal $variant:ident
        $({ $($(#[$setting_doc:meta])* $setting:ident: u64 = $usual:literal in $range:expr,)* })?
        => $make:expr;
    )*) => {
        /// What chooses by this strategy, drawing from `rng`.
        ///
        /// A strategy whose choices are not data, that of a live process or of user code, is
        /// first in, first out here.
        #[must_use]
        pub fn scheduler(strategy: &Strategy, rng: ChaCha8Rng) -> Box<dyn Scheduler> {
            match strategy {
                $(Strategy::$variant $({ $($setting),* })? => {
                    Box::new(($make)($($(*$setting,)*)? rng))
                })*
                Strategy::Live | Strategy::Custom(_) => Box::new(Fifo),
                Strategy::Replay(schedule) => Box::new(Exact::new(Arc::clone(schedule))),
                Strategy::Deviations(choices) => Box::new(Deviations::new(Arc::clone(choices))),
                Strategy::Holds(holds) => Box::new(HoldKeeper::new(holds)),
            }
        }
    };
}

retake_core::strategies!(choosing);
