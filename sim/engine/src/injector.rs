//! Faults that are chosen while a run takes place.

use std::time::Duration;

use retake_traces::fault::Fault;

/// Chooses faults by what it sees of a run: to kill the actor that was started last, or
/// to delay a task whenever another one runs.
///
/// What it gives are faults as data, so they are recorded, and a failing run is made small by
/// leaving some of them out. It has to decide by what it is shown, and by randomness that it
/// drew from the run's seed, alone. It lives on the simulation's thread, and may use nothing
/// of the simulation.
///
/// ```
/// use retake_sim::{Fault, Injector, RunView, Sim, add_injector};
///
/// /// Kills the first actor that is called `worker`, as soon as it can run.
/// struct Killer;
///
/// impl Injector for Killer {
///     fn before_step(&mut self, run: &RunView) -> Vec<Fault> {
///         let is_worker = |label: &str| label == "worker";
///         let found = run.tasks.iter().any(|task| task.is_runnable && is_worker(&task.label));
///         found.then(|| Fault::kill("worker")).into_iter().collect()
///     }
/// }
///
/// let run = Sim::new().run(|| async {
///     add_injector(|_seed| Killer);
///     // …
/// });
/// assert!(run.passed());
/// ```
pub trait Injector {
    /// Before a step is chosen: the faults that are injected now. One with a time in the
    /// future is injected then.
    fn before_step(&mut self, run: &RunView) -> Vec<Fault>;
}

/// What an [`Injector`] sees of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// The number of the step that is chosen next, from 1.
    pub step: u64,
    /// Virtual time since the start of the run.
    pub now: Duration,
    /// The tasks that are alive, in the order of their creation.
    pub tasks: Vec<TaskView>,
}

/// A task of a [`RunView`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Its label, as traces show it.
    pub label: String,
    /// True for an actor.
    pub is_actor: bool,
    /// True if it can run now.
    pub is_runnable: bool,
    /// The label of the actor that supervises it.
    pub supervisor: Option<String>,
}
