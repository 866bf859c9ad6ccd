//! The life of one run: set up, driven to its outcome, inspected, reported.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use retake_traces::RunConfig;
use retake_traces::record::{TaskKind, UnhandledMessage};
use retake_traces::sink::HashSink;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::{Isolation, MakeSink, Sim, lock};
use crate::causes::{self, Causes};
use crate::core::{Core, Last};
use crate::engine::{Engine, OnThread, Sentinel, Standstill, current};
use crate::follow::Follow;
use crate::inputs::drive;
use crate::interpose::heap::LibraryHeap;
use crate::interpose::{Interposition, RunHeap, outside};
use crate::limits::NO_STACK;
use crate::outcome::{Outcome, Run};
use crate::panics;
use crate::rng::stream;
use crate::strategy;
use crate::watchdog::Progress;

/// The slot of the scenario, which starts first.
const SCENARIO: u32 = 0;

/// What a scenario gives, of whatever type.
pub(super) type Value = Box<dyn Any + Send>;

/// A scenario, of whatever type: what makes a run is compiled once, and not for each.
pub(super) type Code = dyn Fn() -> Pin<Box<dyn Future<Output = Value> + Send>> + Send + Sync;

/// Where the scenario's value is left.
type Output = Arc<Mutex<Option<Value>>>;

/// What a run found out in addition to its result.
pub(super) struct RunFindings {
    /// Whether the same deadlock is to be looked into again, in another order.
    pub(super) is_unresolved: bool,
    /// What a run that was left at its standstill left behind.
    last: Last,
}

impl Sim {
    /// Run the scenario once, where the runs of this simulation take place.
    pub(super) fn run_isolated(
        &self,
        sink: MakeSink,
        standstill: Standstill,
        scenario: &Code,
    ) -> (Run<Value>, RunFindings) {
        let progress = Progress::new(self.config.seed, self.config.strategy.to_string());
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

    fn run_here(
        &self,
        sink: MakeSink,
        standstill: Standstill,
        scenario: &Code,
        progress: &Arc<Progress>,
    ) -> (Run<Value>, RunFindings) {
        // First of all: whatever makes a `HashMap` on this thread draws the keys of all.
        let interposed = Interposition::start(self.config.seed, self.config.allow_threads);
        let core = self.core(sink, progress);
        let _shown = progress.show();
        let is_probed = !matches!(standstill, Standstill::Leave);
        let engine = Rc::new(Engine::new(core, standstill));
        let output = Arc::new(Mutex::new(None));

        // From here on this thread's gates are the simulation's.
        let on_thread = OnThread::install(&engine);
        let panics = panics::Watch::start(self.lists_calls);
        let causes = self.layers().causality.then(|| {
            causes::reset();
            causes::watch_messages(self.config.watch.is_some());
            tracing::subscriber::set_default(Causes::new())
        });
        // From here on memory is that of what is simulated, but for what the engine is asked.
        let heap = RunHeap::start();
        let runtime = runtime();
        let unhandled = runtime.block_on(async {
            self.start(&engine, scenario, &output);
            engine.wait_for_outcome().await;
            self.inspect(&engine).await
        });
        // What is still alive is dropped while the simulation is on this thread,
        // but no gate opens any more.
        engine.release();
        drop(runtime);
        drop(heap);
        engine.set_environment(None);
        drop(causes);
        drop(interposed);
        drop(panics);
        drop(on_thread);

        let last = self.last(&engine, unhandled, is_probed, scenario);
        let output = lock(&output).take();
        self.report(&engine, last, is_probed, output)
    }

    /// The state of a run that has not started.
    fn core(&self, sink: MakeSink, progress: &Arc<Progress>) -> Core {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let RunConfig { seed, strategy, .. } = &self.config;
        let scheduler = match &self.scheduler {
            Some(make) => make(*seed),
            None => strategy::scheduler(strategy, stream(*seed, "schedule")),
        };
        let mut core = Core::new(
            scheduler,
            &self.config,
            self.layers(),
            sink,
            RUNS.fetch_add(1, Ordering::Relaxed),
        );
        core.progress = Arc::clone(progress);
        core.monitor = self.monitor.as_ref().map(|make| make());
        let plan = lock(&self.follow).take();
        core.follow = plan.map(|plan| Box::new(Follow::new(plan)));
        core
    }

    /// Start the scheduler's own task, the scenario, and what starts inputs of a recording.
    #[allow(
        clippy::disallowed_methods,
        reason = "the scheduler's own task, and two that are gated"
    )]
    fn start(&self, engine: &Engine, scenario: &Code, output: &Output) {
        engine.start();
        tokio::spawn(Sentinel);
        let output = Arc::clone(output);
        let body = scenario();
        let scenario = tokio::spawn(engine.gate_scenario(async move {
            let value = body.await;
            *lock(&output) = Some(value);
        }));
        engine.set_scenario(scenario.abort_handle());
        if let Some(on_input) = &self.on_input {
            tokio::spawn(engine.gate_driver(drive(Arc::clone(on_input))));
        }
    }

    /// Whether what is left in mailboxes is recorded: texts and senders describe it.
    fn has_mailboxes(&self) -> bool {
        let layers = self.layers();
        layers.story && layers.causality
    }

    /// The run has its outcome: see what became of messages, and what is in mailboxes and
    /// states. Gives what was in mailboxes.
    async fn inspect(&self, engine: &Engine) -> Vec<UnhandledMessage> {
        if let Some(watch) = self.config.watch {
            let messages = causes::watched_messages();
            engine.core.borrow_mut().check_messages(messages, watch);
        }
        let unhandled = if self.has_mailboxes() {
            engine.look_at_mailboxes().await
        } else {
            Vec::new()
        };
        causes::watch_messages(false);
        if self.layers.states {
            engine.look_at_states().await;
        }
        unhandled
    }

    /// What the run leaves behind.
    fn last(
        &self,
        engine: &Engine,
        unhandled: Vec<UnhandledMessage>,
        is_probed: bool,
        scenario: &Code,
    ) -> Last {
        let mut core = engine.core.borrow_mut();
        let states = core.last_states();
        let is_deadlock = matches!(core.outcome, Some(Outcome::Deadlock { .. }));
        let steps = core.stats.steps;
        drop(core);
        if is_probed && is_deadlock && (self.layers.states || self.has_mailboxes()) {
            // The search for who waits for whom has killed all actors: look at them in a
            // run that ends before it.
            let sink = Box::new(HashSink::new());
            let (left, learned) = self.run_isolated(sink, Standstill::Leave, scenario);
            // It shares the process of this run: where that makes it another run, its states
            // are not those of this one.
            if left.stats.steps == steps {
                return learned.last;
            }
        }
        Last { unhandled, states }
    }

    /// End the trace, and say how the run went.
    fn report(
        &self,
        engine: &Engine,
        mut last: Last,
        is_probed: bool,
        output: Option<Value>,
    ) -> (Run<Value>, RunFindings) {
        let mut core = engine.core.borrow_mut();
        // A run that is left at its standstill is for who asked for it.
        let written = if is_probed {
            std::mem::take(&mut last)
        } else {
            Last::default()
        };
        let event_hash = core.close(written);
        let (not_injected, mut warnings): (Vec<_>, Vec<_>) = core
            .not_injected()
            .map(|(fault, why)| {
                let warning = format!("fault `{fault}` was not injected: {why}");
                (fault.clone(), warning)
            })
            .unzip();
        warnings.extend(core.threads_warning());
        warnings.extend(core.stats.ungated_warning());
        let findings = engine.findings.borrow_mut().take();
        let run = Run {
            seed: self.config.seed,
            strategy: self.config.strategy.to_string(),
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
            not_injected,
            backtrace: std::mem::take(&mut core.backtrace),
            trace_error: core.trace_error.take(),
        };
        let learned = RunFindings {
            is_unresolved: findings.is_some_and(|findings| findings.is_unresolved),
            last,
        };
        (run, learned)
    }
}

/// A runtime of one thread, whose clock does not move by itself, and which calls the engine
/// when no task is queued.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
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
        .expect("a current-thread runtime without an I/O driver takes nothing from the system")
}

impl Engine {
    /// How the scenario is ended.
    fn set_scenario(&self, handle: AbortHandle) {
        let _library = LibraryHeap::enter();
        self.core.borrow_mut().spawned(SCENARIO).handle = Some(handle);
    }

    /// The task that starts what a recording has from outside.
    fn gate_driver<F>(&self, body: F) -> impl Future<Output = ()> + Send + 'static + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let library = LibraryHeap::enter();
        let mut core = self.core.borrow_mut();
        let slot = core.start_task(TaskKind::Task, "driver");
        if let Some(follow) = &mut core.follow {
            follow.set_driver(slot);
        }
        drop(core);
        drop(library);
        retake::gate::existing_task(retake::engine::TaskId(slot), body)
    }

    /// The scenario's own task, which is gated like every other.
    fn gate_scenario<F>(&self, body: F) -> impl Future<Output = ()> + Send + 'static + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let library = LibraryHeap::enter();
        let slot = self
            .core
            .borrow_mut()
            .start_task(TaskKind::Scenario, "scenario");
        drop(library);
        retake::gate::existing_task(retake::engine::TaskId(slot), body)
    }
}
