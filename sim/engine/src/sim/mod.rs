//! Building and running a simulation.

mod run;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retake_traces::sink::{HashSink, Sink};
use retake_traces::time::nanos;
use retake_traces::{Layers, RunConfig, Watch};

use crate::core::Monitor;
use crate::deadlock;
use crate::engine::{Standstill, current};
use crate::environment::Environment;
use crate::follow::Plan;
use crate::injector::Injector;
use crate::inputs::OnInput;
pub use crate::limits::HORIZON_MAX;
use crate::outcome::{Outcome, Run};
use crate::strategy::{Scheduler, Strategy};
use retake_traces::fault::{Fault, Target, kinds};
use run::{Code, Value};

const DEFAULT_STEP_TIME: Duration = Duration::from_secs(10);

/// Where a run takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// On a thread of its own, so that thread-locals do not leak between runs.
    #[default]
    Thread,
    /// On the calling thread: cheaper by the start of a thread, for large
    /// campaigns of scenarios without state in thread-locals.
    Inline,
}

type MakeScheduler = Arc<dyn Fn(u64) -> Box<dyn Scheduler> + Send + Sync>;
type MakeMonitor = Arc<dyn Fn() -> Monitor + Send + Sync>;
type MakeSink = Box<dyn Sink + Send>;

/// A simulation to be: seed, strategy, limits, faults.
///
/// ```
/// use retake_sim::Sim;
///
/// let run = Sim::new().seed(7).run(|| async {
///     retake::sleep(std::time::Duration::from_secs(60)).await;
///     retake::now().as_nanos()
/// });
/// assert_eq!(run.expect_passed(), 60_000_000_000);
/// ```
#[must_use = "a simulation does nothing until it is run"]
pub struct Sim {
    config: RunConfig,
    layers: Layers,
    /// The scheduler of a strategy that is not data.
    scheduler: Option<MakeScheduler>,
    step_time: Duration,
    isolation: Isolation,
    lists_calls: bool,
    monitor: Option<MakeMonitor>,
    /// Behind a mutex only so that a plan can be shared with the run's thread.
    sink: Mutex<Option<MakeSink>>,
    follow: Mutex<Option<Plan>>,
    on_input: Option<OnInput>,
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sim")
            .field("config", &self.config)
            .field("layers", &self.layers)
            .finish_non_exhaustive()
    }
}

impl Sim {
    /// Seed 0, strategy `random`, an hour of virtual time, 100 million steps.
    pub fn new() -> Self {
        Self::of(RunConfig::default())
    }

    /// The simulation with these settings. A horizon that is zero or longer than
    /// [`HORIZON_MAX`] is moved into that range.
    pub fn of(config: RunConfig) -> Self {
        let horizon = config.horizon().clamp(Duration::from_nanos(1), HORIZON_MAX);
        Self {
            config: RunConfig {
                horizon_ns: nanos(horizon),
                ..config
            },
            layers: Layers::default(),
            scheduler: None,
            step_time: DEFAULT_STEP_TIME,
            isolation: Isolation::default(),
            lists_calls: true,
            monitor: None,
            sink: Mutex::new(None),
            follow: Mutex::new(None),
            on_input: None,
        }
    }

    /// Everything that makes its runs, for the header of a trace.
    #[must_use]
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// The seed from which every random stream of the run derives.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Who chooses the next step.
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.config.strategy = strategy;
        self.scheduler = None;
        self
    }

    /// A scheduler of your own, under a name for reports, made from the seed.
    pub fn scheduler(
        mut self,
        name: impl Into<String>,
        make: impl Fn(u64) -> Box<dyn Scheduler> + Send + Sync + 'static,
    ) -> Self {
        self.config.strategy = Strategy::Custom(name.into());
        self.scheduler = Some(Arc::new(make));
        self
    }

    /// End the run when virtual time would pass this.
    ///
    /// # Panics
    /// If `horizon` is zero or longer than [`HORIZON_MAX`].
    pub fn horizon(mut self, horizon: Duration) -> Self {
        assert!(
            !horizon.is_zero() && horizon <= HORIZON_MAX,
            "the horizon must be above zero and at most {HORIZON_MAX:?}, not {horizon:?}"
        );
        self.config.horizon_ns = nanos(horizon);
        self
    }

    /// End the run after this many steps.
    pub fn step_limit(mut self, steps: u64) -> Self {
        self.config.step_limit = steps;
        self
    }

    /// Call it a livelock when this many steps, 10,000 if nothing else is said, pass at one
    /// instant of virtual time in which tasks only resume after awaits, as in
    /// `loop { yield_now().await }`; 25 times as many where they handle messages as well. Steps
    /// that a task has not taken before at that instant begin the count again, so a burst of
    /// many actors and messages is no livelock.
    pub fn livelock_after(mut self, steps: u64) -> Self {
        self.config.livelock_steps = steps;
        self
    }

    /// Say on standard error, once, which step it is when one takes longer than this in real
    /// time, ten seconds if nothing else is said: it may loop without an await. Zero for
    /// never. It needs a thread that waits, so it has no effect with [`Isolation::Inline`].
    pub fn step_time(self, most: Duration) -> Self {
        Self {
            step_time: most,
            ..self
        }
    }

    /// Where the run takes place.
    pub fn isolation(self, isolation: Isolation) -> Self {
        Self { isolation, ..self }
    }

    /// What is recorded of the run in addition to its schedule.
    pub fn record(self, layers: Layers) -> Self {
        Self { layers, ..self }
    }

    /// Record which step sent each message, and put it into the trace. Needs
    /// ractor's feature `message_span_propogation`, which is on by default.
    pub fn causality(mut self, on: bool) -> Self {
        self.layers.causality = on;
        self
    }

    /// Count the fate of every message: [`Run::messages`]. Each one that is sent has to be
    /// handled, refused by an actor that has ended, lost in the mailbox of one that ends,
    /// or in a mailbox still: a message that is lost although no actor has ended fails the
    /// run. Causes are recorded as well.
    ///
    /// A message is known by the `tracing` span that ractor keeps with it, so code that
    /// takes `tracing::Span::current()` itself counts as sending.
    pub fn conservation(mut self) -> Self {
        self.config.watch.get_or_insert(Watch::Conservation);
        self
    }

    /// Fail the run also when a message is lost in the mailbox of an actor that ends: for
    /// systems that stop their actors by `drain`, or ask before.
    ///
    /// A run in which tasks that no gate guards send messages fails as well: ractor's
    /// `OutputPort` drops messages of slow subscribers before they are sent to them, where
    /// nothing can count them.
    pub fn lossless(mut self) -> Self {
        self.config.watch = Some(Watch::Lossless);
        self
    }

    /// Record texts of messages and events for people to read.
    pub fn story(mut self, on: bool) -> Self {
        self.layers.story = on;
        self
    }

    /// Record the states of actors whose `State` is `Debug`, where they change.
    ///
    /// The text is made at every callback, so a run is slower by the cost of that. It is
    /// the same whenever the run is repeated if what `Debug` gives is: a `HashMap` in a
    /// state needs the feature `interpose`.
    pub fn states(mut self, on: bool) -> Self {
        self.layers.states = on;
        self
    }

    /// What is recorded: counting messages needs their causes.
    fn layers(&self) -> Layers {
        Layers {
            causality: self.layers.causality || self.config.watch.is_some(),
            ..self.layers
        }
    }

    /// List the calls that lead to a panic or a standstill, if `RUST_BACKTRACE` asks for it.
    /// On unless turned off: each list costs a backtrace.
    pub fn lists_calls(self, on: bool) -> Self {
        Self {
            lists_calls: on,
            ..self
        }
    }

    /// Fail the run when a step has spawned a tokio task that no gate guards, instead of
    /// counting and reporting it ([`Stats::ungated`](crate::Stats::ungated)). Off unless
    /// asked for: ractor's own helpers, such as `send_after`, output ports and forwarders,
    /// are such tasks as well.
    pub fn strict(mut self, on: bool) -> Self {
        self.config.strict = on;
        self
    }

    /// Let the run start threads, which otherwise fail it. They run outside the simulation,
    /// with the system's clocks and entropy, so the run says in its warnings that it may not
    /// repeat. A thread of tokio's blocking pool is refused all the same.
    ///
    /// Threads are seen with the feature `interpose` on Linux with glibc, see
    /// [`interpose::sees_threads`](crate::interpose::sees_threads). Elsewhere they start,
    /// and nothing reports them.
    pub fn allow_threads(mut self, on: bool) -> Self {
        self.config.allow_threads = on;
        self
    }

    /// Inject a fault.
    pub fn fault(self, fault: Fault) -> Self {
        self.faults([fault])
    }

    /// Inject faults.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.config.faults.extend(faults);
        self
    }

    /// Inject the faults that were given and no others: not those of [`inject`] and of an
    /// [`Injector`](crate::Injector). A case that was made small has all of them in its list.
    pub fn only_planned_faults(mut self, on: bool) -> Self {
        self.config.only_planned_faults = on;
        self
    }

    /// Let places marked with `retake::buggify!` misbehave from the start: the fault
    /// `buggify @step 1`.
    pub fn buggify(self) -> Self {
        self.fault(Fault::new(Target::Run, kinds::Buggify))
    }

    /// Watch the story: a monitor, made for the run, sees every `retake::event!` with
    /// the label of the task whose event it is, and fails the run by an error.
    pub fn monitor<M>(self, make: impl Fn() -> M + Send + Sync + 'static) -> Self
    where
        M: FnMut(&str, &str) -> Result<(), String> + 'static,
    {
        Self {
            monitor: Some(Arc::new(move || Box::new(make()))),
            ..self
        }
    }

    /// Record the run into a sink, a trace file for example.
    pub fn trace(self, sink: impl Sink + Send + 'static) -> Self {
        Self {
            sink: Mutex::new(Some(Box::new(sink))),
            ..self
        }
    }

    pub(crate) fn trace_boxed(self, sink: MakeSink) -> Self {
        Self {
            sink: Mutex::new(Some(sink)),
            ..self
        }
    }

    /// Follow a recording, with what is done for its inputs.
    pub(crate) fn follow(self, plan: Plan, on_input: Option<OnInput>) -> Self {
        Self {
            follow: Mutex::new(Some(plan)),
            on_input,
            ..self.strategy(Strategy::Live)
        }
    }

    /// Run the scenario to its end.
    ///
    /// The closure is called once; again, on a fresh simulation, only if the run ends in
    /// a deadlock: when the first did not show its wait cycle, and for the last states and
    /// mailboxes, where those are recorded.
    ///
    /// # Panics
    /// If a simulation is running on this thread already, with
    /// [`Isolation::Inline`], or the thread cannot be started.
    pub fn run<F, Fut>(self, scenario: F) -> Run<Fut::Output>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let code = boxed(scenario);
        let (mut run, is_unresolved) = self.run_boxed(false, &code);
        if is_unresolved {
            let (again, _) = self.run_boxed(true, &code);
            deadlock::complete(&mut run, &again);
        }
        with_value_of(run)
    }

    /// Run the scenario once. Gives as well whether it has ended in a deadlock of which a
    /// run that probes in the reversed order may show more, see [`deadlock::complete`]. Only
    /// the first run goes into the sink.
    pub(crate) fn run_once<F, Fut>(
        &self,
        probes_reversed: bool,
        scenario: F,
    ) -> (Run<Fut::Output>, bool)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let (run, is_unresolved) = self.run_boxed(probes_reversed, &boxed(scenario));
        (with_value_of(run), is_unresolved)
    }

    fn run_boxed(&self, probes_reversed: bool, scenario: &Code) -> (Run<Value>, bool) {
        let sink = lock(&self.sink).take();
        let sink = sink.unwrap_or_else(|| Box::new(HashSink::new()));
        let standstill = if probes_reversed {
            Standstill::ProbeReversed
        } else {
            Standstill::Probe
        };
        let (run, learned) = self.run_isolated(sink, standstill, scenario);
        let is_deadlock = matches!(run.outcome, Outcome::Deadlock { .. });
        (run, is_deadlock && learned.is_unresolved)
    }
}

/// The scenario as code of one type.
fn boxed<F, Fut>(
    scenario: F,
) -> impl Fn() -> Pin<Box<dyn Future<Output = Value> + Send>> + Send + Sync
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    move || {
        let body = scenario();
        Box::pin(async move { Box::new(body.await) as Value })
    }
}

/// The run with the value of its scenario.
fn with_value_of<T: 'static>(run: Run<Value>) -> Run<T> {
    run.map(|value| {
        *value
            .downcast()
            .expect("a scenario gives what its type says")
    })
}

/// A value under a mutex, also after a panic: what is kept in them here is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Inject a fault into the simulation that runs on this thread. Outside one
/// nothing happens, and neither in the run of a case whose list of faults is complete, see
/// [`Sim::only_planned_faults`].
pub fn inject(fault: Fault) {
    if let Some(engine) = current() {
        let mut core = engine.core.borrow_mut();
        if !core.config.only_planned_faults {
            core.plan(fault);
        }
    }
}

/// Add what moves in addition to the tasks to the simulation that runs on this thread, in
/// the place of what was there. `make` is given the run's seed, for streams of its
/// own. Outside a simulation nothing happens.
pub fn add_environment<E: Environment + 'static>(make: impl FnOnce(u64) -> E) {
    if let Some(engine) = current() {
        let seed = engine.core.borrow().seed();
        engine.set_environment(None);
        engine.set_environment(Some(Box::new(make(seed))));
    }
}

/// Add what chooses faults to the simulation that runs on this thread. `make` is given the
/// run's seed, for streams of its own. Outside a simulation nothing happens, and neither in the
/// run of a case whose list of faults is complete, see
/// [`Sim::only_planned_faults`](crate::Sim::only_planned_faults).
pub fn add_injector<I: Injector + 'static>(make: impl FnOnce(u64) -> I) {
    if let Some(engine) = current() {
        let seed = engine.core.borrow().seed();
        engine.add_injector(Box::new(make(seed)));
    }
}

/// The seed of the run on this thread.
#[cfg(feature = "fs")]
pub(crate) fn current_seed() -> Option<u64> {
    current().map(|engine| engine.core.borrow().seed())
}
