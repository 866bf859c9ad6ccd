//! Building and running a simulation.

use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retake_traces::record::TaskKind;
use retake_traces::sink::{HashSink, Sink};

use crate::causes::{self, Causes};
use crate::core::{Buggify, Core, Last, Layers, Limits, Monitor, Watch};
use crate::deadlock;
use crate::engine::{Engine, OnThread, Sentinel, Standstill, current};
use crate::environment::Environment;
use crate::fault::Fault;
use crate::follow::{Follow, Plan};
use crate::interpose::{Interposed, outside};
use crate::outcome::{Outcome, Run};
use crate::panics;
use crate::recording::{OnInput, drive};
use crate::rng::stream;
use crate::strategy::{Scheduler, Strategy};
use crate::watchdog::Progress;

/// The longest horizon: a year.
pub const HORIZON_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
const DEFAULT_HORIZON: Duration = Duration::from_secs(3600);
const DEFAULT_STEP_LIMIT: u64 = 100_000_000;
const DEFAULT_LIVELOCK_STEPS: u64 = 10_000;
const DEFAULT_STEP_TIME: Duration = Duration::from_secs(10);

/// Larger than any address space: no thread of the runtime's blocking pool can
/// start, and `spawn_blocking` panics in the step that calls it.
pub(crate) const NO_STACK: usize = 1 << 56;
/// The slot of the scenario, which starts first.
const SCENARIO: u32 = 0;
/// How tokio's message of that panic begins.
pub(crate) const NO_THREADS: &str = "OS can't spawn worker thread";
/// How rayon's message begins where its threads were refused to an earlier run.
pub(crate) const NO_POOL: &str = "The global thread pool has not been initialized";

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
    seed: u64,
    strategy: Strategy,
    custom: Option<(String, MakeScheduler)>,
    horizon: Duration,
    step_limit: u64,
    livelock_steps: u64,
    step_time: Duration,
    isolation: Isolation,
    causality: bool,
    watch: Option<Watch>,
    story: bool,
    states: bool,
    lists_calls: bool,
    strict: bool,
    allow_threads: bool,
    faults: Vec<Fault>,
    buggify: bool,
    workload: Option<u32>,
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
            .field("seed", &self.seed)
            .field("strategy", &self.strategy_name())
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Sim {
    /// Seed 0, strategy `random`, an hour of virtual time, 100 million steps.
    pub fn new() -> Self {
        Self {
            seed: 0,
            strategy: Strategy::default(),
            custom: None,
            horizon: DEFAULT_HORIZON,
            step_limit: DEFAULT_STEP_LIMIT,
            livelock_steps: DEFAULT_LIVELOCK_STEPS,
            step_time: DEFAULT_STEP_TIME,
            isolation: Isolation::default(),
            causality: false,
            watch: None,
            story: false,
            states: false,
            lists_calls: true,
            strict: false,
            allow_threads: false,
            faults: Vec::new(),
            buggify: false,
            workload: None,
            monitor: None,
            sink: Mutex::new(None),
            follow: Mutex::new(None),
            on_input: None,
        }
    }

    /// The seed from which every random stream of the run derives.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Who chooses the next step.
    pub fn strategy(self, strategy: Strategy) -> Self {
        Self {
            strategy,
            custom: None,
            ..self
        }
    }

    /// A scheduler of your own, under a name for reports, made from the seed.
    pub fn scheduler(
        self,
        name: impl Into<String>,
        make: impl Fn(u64) -> Box<dyn Scheduler> + Send + Sync + 'static,
    ) -> Self {
        Self {
            custom: Some((name.into(), Arc::new(make))),
            ..self
        }
    }

    /// End the run when virtual time would pass this.
    ///
    /// # Panics
    /// If `horizon` is zero or longer than [`HORIZON_MAX`].
    pub fn horizon(self, horizon: Duration) -> Self {
        assert!(
            !horizon.is_zero() && horizon <= HORIZON_MAX,
            "the horizon must be above zero and at most {HORIZON_MAX:?}, not {horizon:?}"
        );
        Self { horizon, ..self }
    }

    /// End the run after this many steps.
    pub fn step_limit(self, steps: u64) -> Self {
        Self {
            step_limit: steps,
            ..self
        }
    }

    /// Call it a livelock when this many steps, 10,000 if nothing else is said, pass at one
    /// instant of virtual time in which tasks only resume after awaits, as in
    /// `loop { yield_now().await }`; 25 times as many where they handle messages as well. Steps
    /// that a task has not taken before at that instant begin the count again, so a burst of
    /// many actors and messages is no livelock.
    pub fn livelock_after(self, steps: u64) -> Self {
        Self {
            livelock_steps: steps,
            ..self
        }
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

    /// Record which step sent each message, and put it into the trace. Needs
    /// ractor's feature `message_span_propogation`, which is on by default.
    pub fn causality(self, on: bool) -> Self {
        Self {
            causality: on,
            ..self
        }
    }

    /// Count the fate of every message: [`Run::messages`]. All that are sent have to be
    /// handled, refused by an actor that has ended, lost in the mailbox of one that ends,
    /// or in a mailbox still: a message that is lost although no actor has ended fails the
    /// run. Turns causality on.
    ///
    /// A message is known by the `tracing` span that ractor keeps with it, so code that
    /// takes `tracing::Span::current()` itself counts as sending.
    pub fn conservation(self) -> Self {
        Self {
            watch: self.watch.or(Some(Watch::Conservation)),
            causality: true,
            ..self
        }
    }

    /// Fail the run also when a message is lost in the mailbox of an actor that ends: for
    /// systems that stop their actors by `drain`, or ask before.
    ///
    /// A run in which tasks that no gate guards send messages fails as well: ractor's
    /// `OutputPort` drops messages of slow subscribers before they are sent to them, where
    /// nothing can count them.
    pub fn lossless(self) -> Self {
        Self {
            watch: Some(Watch::Lossless),
            causality: true,
            ..self
        }
    }

    /// Record texts of messages and events for people to read.
    pub fn story(self, on: bool) -> Self {
        Self { story: on, ..self }
    }

    /// Record the states of actors whose `State` is `Debug`, where they change.
    ///
    /// The text is made at every callback, so a run is slower by the cost of that. It is
    /// the same whenever the run is repeated if what `Debug` gives is: a `HashMap` in a
    /// state needs the feature `interpose`.
    pub fn states(self, on: bool) -> Self {
        Self { states: on, ..self }
    }

    /// List the calls that lead to a panic or a standstill, if `RUST_BACKTRACE` asks for it.
    pub(crate) fn lists_calls(self, on: bool) -> Self {
        Self {
            lists_calls: on,
            ..self
        }
    }

    /// Fail the run when a step has spawned a tokio task that no gate guards, instead of
    /// counting and reporting it ([`Stats::ungated`](crate::Stats::ungated)). Off unless
    /// asked for: ractor's own helpers, such as `send_after`, output ports and forwarders,
    /// are such tasks as well.
    pub fn strict(self, on: bool) -> Self {
        Self { strict: on, ..self }
    }

    /// Let the run start threads, which otherwise fail it. They run outside the simulation,
    /// with the system's clocks and entropy, so the run says in its warnings that it may not
    /// repeat. A thread of tokio's blocking pool is refused all the same.
    ///
    /// Threads are seen with the feature `interpose` on Linux with glibc, see
    /// [`interpose::sees_threads`](crate::interpose::sees_threads). Elsewhere they start,
    /// and nothing reports them.
    pub fn allow_threads(self, on: bool) -> Self {
        Self {
            allow_threads: on,
            ..self
        }
    }

    /// Inject a fault.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Inject faults.
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Let places marked with `retake::buggify!` misbehave.
    pub fn buggify(self, on: bool) -> Self {
        Self {
            buggify: on,
            ..self
        }
    }

    /// Limit what `retake::workload` gives.
    pub fn workload(self, most: Option<u32>) -> Self {
        Self {
            workload: most,
            ..self
        }
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
            ..self.strategy(Strategy::Fifo)
        }
    }

    fn strategy_name(&self) -> String {
        match &self.custom {
            Some((name, _)) => name.clone(),
            None => self.strategy.to_string(),
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
        let (mut run, is_unresolved) = self.run_once(false, &scenario);
        if is_unresolved {
            let (again, _) = self.run_once(true, &scenario);
            deadlock::complete(&mut run, &again);
        }
        run
    }

    /// Run the scenario once. Gives as well whether it has ended in a deadlock of which a
    /// run that probes in the reversed order may show more, see [`deadlock::complete`]. Only
    /// the first run goes into the sink.
    pub(crate) fn run_once<F, Fut>(
        &self,
        probes_reversed: bool,
        scenario: &F,
    ) -> (Run<Fut::Output>, bool)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
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

    fn run_isolated<F, Fut>(
        &self,
        sink: MakeSink,
        standstill: Standstill,
        scenario: &F,
    ) -> (Run<Fut::Output>, Learned)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let progress = Progress::new(self.seed, self.strategy_name());
        match self.isolation {
            Isolation::Inline => self.run_here(sink, standstill, scenario, &progress),
            // A run inside a run has a thread as well.
            Isolation::Thread => outside(|| {
                std::thread::scope(|scope| {
                    let (runs, ended) = std::sync::mpsc::channel::<()>();
                    let of_run = Arc::clone(&progress);
                    let thread = std::thread::Builder::new()
                        .name("simulation".to_owned())
                        .spawn_scoped(scope, move || {
                            let _runs = runs;
                            self.run_here(sink, standstill, scenario, &of_run)
                        })
                        .expect("the system starts a thread");
                    progress.watch(&ended, self.step_time);
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
            }),
        }
    }

    fn run_here<F, Fut>(
        &self,
        sink: MakeSink,
        standstill: Standstill,
        scenario: &F,
        progress: &Arc<Progress>,
    ) -> (Run<Fut::Output>, Learned)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        // First of all: whatever makes a `HashMap` on this thread draws the keys of all.
        let interposed = Interposed::start(self.seed, self.allow_threads);
        let scheduler = match &self.custom {
            Some((_, make)) => make(self.seed),
            None => self.strategy.scheduler(stream(self.seed, "schedule")),
        };
        let mut core = Core::new(
            scheduler,
            self.faults.clone(),
            sink,
            self.seed,
            Limits {
                horizon_ns: u64::try_from(self.horizon.as_nanos()).unwrap_or(u64::MAX),
                steps: self.step_limit,
                steps_at_one_time: self.livelock_steps,
            },
            Layers {
                story: self.story,
                causality: self.causality,
                states: self.states,
            },
            RUNS.fetch_add(1, Ordering::Relaxed),
        );
        let _shown = progress.show();
        core.progress = Arc::clone(progress);
        core.strict = self.strict;
        core.workload = self.workload;
        core.buggify = self.buggify.then(|| Buggify::new(self.seed));
        core.monitor = self.monitor.as_ref().map(|make| make());
        let plan = lock(&self.follow).take();
        core.follow = plan.map(|plan| Box::new(Follow::new(plan)));
        // Texts and senders describe what they hold.
        let has_mailboxes = self.story && self.causality;
        let is_probed = !matches!(standstill, Standstill::Leave);
        let engine = Rc::new(Engine::new(core, standstill));
        let output = Arc::new(Mutex::new(None));

        // From here on this thread's gates are the simulation's.
        let on_thread = OnThread::install(&engine);
        let panics = panics::Watch::start(self.lists_calls);
        let causes = self.causality.then(|| {
            causes::reset();
            causes::watch_messages(self.watch.is_some());
            tracing::subscriber::set_default(Causes::new())
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .event_interval(u32::MAX)
            .global_queue_interval(u32::MAX)
            .max_blocking_threads(1)
            .thread_stack_size(NO_STACK)
            .on_thread_park(|| {
                if let Some(engine) = current() {
                    engine.on_park();
                }
            })
            .build()
            .expect("a current-thread runtime without an I/O driver takes nothing from the system");
        #[allow(
            clippy::disallowed_methods,
            reason = "the scheduler's own task, and one that is gated"
        )]
        let unhandled = runtime.block_on(async {
            engine.start();
            tokio::spawn(Sentinel);
            let scenario_output = Arc::clone(&output);
            let body = scenario();
            let scenario = tokio::spawn(engine.gate_scenario(async move {
                let value = body.await;
                *lock(&scenario_output) = Some(value);
            }));
            engine.core.borrow_mut().spawned(SCENARIO).handle = Some(scenario.abort_handle());
            if let Some(on_input) = &self.on_input {
                tokio::spawn(engine.gate_driver(drive(Arc::clone(on_input))));
            }
            engine.wait_for_outcome().await;
            if let Some(watch) = self.watch {
                let messages = causes::watched_messages();
                engine.core.borrow_mut().check_messages(messages, watch);
            }
            let unhandled = if has_mailboxes {
                engine.look_at_mailboxes().await
            } else {
                Vec::new()
            };
            causes::watch_messages(false);
            if self.states {
                engine.look_at_states().await;
            }
            unhandled
        });
        // What is still alive is dropped while the simulation is on this thread,
        // but no gate opens any more.
        engine.release();
        drop(runtime);
        engine.set_environment(None);
        drop(causes);
        drop(interposed);
        drop(panics);
        drop(on_thread);

        let mut core = engine.core.borrow_mut();
        let mut last = Last {
            unhandled,
            states: core.last_states(),
        };
        let is_deadlock = matches!(core.outcome, Some(Outcome::Deadlock { .. }));
        if is_probed && is_deadlock && (self.states || has_mailboxes) {
            // The search for who waits for whom has killed all actors: look at them in a
            // run that ends before it.
            let sink = Box::new(HashSink::new());
            let (left, learned) = self.run_isolated(sink, Standstill::Leave, scenario);
            // It shares the process of this run: where that makes it another run, its states
            // are not those of this one.
            if left.stats.steps == core.stats.steps {
                last = learned.last;
            }
        }
        // A run that is left at its standstill is for who asked for it.
        let written = if is_probed {
            std::mem::take(&mut last)
        } else {
            Last::default()
        };
        let event_hash = core.close(written);
        let mut warnings = core.unstruck();
        warnings.extend(core.threads_warning());
        warnings.extend(core.stats.ungated_warning());
        let is_unresolved = engine
            .findings
            .borrow_mut()
            .take()
            .is_some_and(|findings| findings.is_unresolved);
        let output = lock(&output).take();
        let run = Run {
            seed: self.seed,
            strategy: self.strategy_name(),
            outcome: core
                .outcome
                .clone()
                .unwrap_or(Outcome::StepLimit { busy: Vec::new() }),
            output,
            stats: core.stats.clone(),
            event_hash,
            goals: core.goals.clone(),
            coverage: std::mem::take(&mut core.coverage),
            messages: core.messages.take(),
            warnings,
            backtrace: std::mem::take(&mut core.backtrace),
            trace_error: core.trace_error.take(),
        };
        (
            run,
            Learned {
                is_unresolved,
                last,
            },
        )
    }
}

/// What a run found out in addition to its result.
struct Learned {
    /// Whether the same deadlock is to be looked into again, in another order.
    is_unresolved: bool,
    /// What a run that was left at its standstill left behind.
    last: Last,
}

/// A value under a mutex, also after a panic: what is kept in them here is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Inject a fault into the simulation that runs on this thread. Outside one
/// nothing happens.
pub fn inject(fault: Fault) {
    if let Some(engine) = current() {
        engine.core.borrow_mut().plan(fault);
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

/// The seed of the run on this thread.
#[cfg(feature = "fs")]
pub(crate) fn current_seed() -> Option<u64> {
    current().map(|engine| engine.core.borrow().seed())
}

impl Engine {
    /// The task that starts what a recording has from outside.
    fn gate_driver<F>(&self, body: F) -> impl Future<Output = ()> + Send + 'static + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut core = self.core.borrow_mut();
        let slot = core.start_task(TaskKind::Task, "driver");
        if let Some(follow) = &mut core.follow {
            follow.set_driver(slot);
        }
        drop(core);
        retake::gate::existing_task(retake::engine::TaskId(slot), body)
    }

    /// The scenario's own task, which is gated like every other.
    fn gate_scenario<F>(&self, body: F) -> impl Future<Output = ()> + Send + 'static + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let slot = self
            .core
            .borrow_mut()
            .start_task(TaskKind::Scenario, "scenario");
        retake::gate::existing_task(retake::engine::TaskId(slot), body)
    }
}
