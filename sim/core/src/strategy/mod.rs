//! Strategies: which of the runnable tasks takes the next step.
//!
//! [`Scheduler`] is the one interface, and each strategy is one small file. To add one, write
//! its file, and add it here: its module, and its entry in [`strategies!`](crate::strategies).
//! All else derives from the entry: parsing and printing, saved cases, traces, what the command
//! line says of it, and what chooses. No strategy finds every bug soonest.

mod defer;
mod delays;
mod fifo;
mod hold;
mod inbox;
pub mod pct;
pub mod pos;
mod random;
mod starve;

use crate::runnable::Runnable;
use crate::task::NewTask;

pub use defer::Deferral;
pub use delays::RandomDelays;
pub use fifo::Fifo;
pub use hold::{Hold, HoldKeeper, RecordedHolds, Recorder, StepOf};
pub use inbox::LargestInbox;
pub use random::Uniform;
pub use starve::Starvation;

/// The list of strategies: calls the macro of this name with it.
///
/// An entry is a name, a variant of `Strategy`, settings with their usual values and ranges,
/// and what makes the [`Scheduler`] from the settings and a stream of random numbers.
#[macro_export]
macro_rules! strategies {
    ($for_all:ident) => {
        $for_all! {
            /// First in, first out: the order closest to what tokio itself would do.
            "fifo" Fifo => |_| $crate::strategy::Fifo;
            /// Each runnable task with equal probability.
            #[default]
            "random" Random => $crate::strategy::Uniform::new;
            /// Probabilistic concurrency testing: the task of the highest random priority
            /// runs, and `depth - 1` times the one that runs drops below all others.
            "pct" Pct {
                /// Number of ordering constraints that the sought bug needs, at least 1.
                depth: u64 = 3 in 1..=1_000,
                /// Expected number of steps of a run, at least 1.
                steps: u64 = 10_000 in 1..=u64::MAX,
            } => $crate::strategy::pct::Priorities::new;
            /// Partial order sampling: each step that becomes runnable draws a priority of
            /// its own.
            "pos" Pos => $crate::strategy::pos::Priorities::new;
            /// One task at a time runs only when no other can; the others with equal
            /// probability.
            "starve" Starve {
                /// Steps for which a task starves on average, at least 1.
                steps: u64 = 100 in 1..=1_000_000_000,
            } => $crate::strategy::Starvation::new;
            /// Tasks run as they come, but for those that are deferred until no eager work
            /// is left.
            "defer" Defer {
                /// Probability of deferring, in percent, 0 to 100.
                percent: u64 = 10 in 0..=100,
            } => $crate::strategy::Deferral::new;
            /// First in, first out but for some delays, each at a random step.
            "delays" Delays {
                /// The number of delays, at least 1.
                count: u64 = 2 in 1..=1_000,
                /// Expected number of steps of a run, at least 1.
                steps: u64 = 10_000 in 1..=u64::MAX,
            } => $crate::strategy::RandomDelays::new;
            /// The task for which most messages wait, between equal ones each with equal
            /// probability. Known in whole programs only, otherwise it is random.
            "inbox" Inbox => $crate::strategy::LargestInbox::new;
        }
    };
}

/// Decides which runnable task takes the next step.
///
/// Its decisions must be a function of what it is shown and of its own random
/// stream. Tasks are named by their slot, a small number that is reused after
/// the task has ended.
pub trait Scheduler {
    /// A task came into existence.
    fn started(&mut self, task: &NewTask<'_>) {
        let _ = task;
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

    /// A task has yielded: it can run again, and asks for others to run first. Called before
    /// the task becomes runnable.
    ///
    /// A strategy by which others might never run has to give way here: a task that yields
    /// until another one has run would never end.
    fn yielded(&mut self, slot: u32) {
        let _ = slot;
    }

    /// Whether it has to be shown how many messages wait, which takes time.
    fn counts_messages(&self) -> bool {
        false
    }

    /// So many messages wait for a task now, in all channels of which it was the last one to
    /// receive. Called by simulators that know it, when the number has changed, if
    /// [`counts_messages`](Self::counts_messages) asks for it.
    fn messages_wait(&mut self, slot: u32, count: u32) {
        let _ = (slot, count);
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
