//! The scheduler's state and its decisions.
//!
//! Nothing here runs user code: what may (waking a user's waker, killing an
//! actor, dropping what a user gave) is handed back to the engine, which does it
//! after letting go of this state.
//!
//! Here is the state, with its tasks and its time; in `steps` how steps begin and end, in
//! `decisions` who is next, in `recording` what is recorded and checked, in `injection` how
//! faults are injected, in `following` how a recording is followed; `mode` is what the run is
//! doing.

mod buggify;
mod decisions;
mod following;
mod injection;
mod livelock;
mod lives;
mod mode;
mod recording;
mod steps;
mod ungated;

use std::collections::BTreeMap;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::Waker;

use rand_chacha::ChaCha8Rng;
use retake::engine::TimerId;
use retake_traces::error::TraceError;
use retake_traces::record::{
    Choice, Record, State as StateRecord, Task as TaskRecord, TaskKind, UnhandledMessage,
};
use retake_traces::sink::Sink;

use crate::follow::Follow;
use crate::identity::{LabelId, Labels};
use crate::inject::Faults;
use crate::outcome::{Coverage, Messages, Outcome, Stats};
use crate::rng::stream;
use crate::runnable::Runnable;
use crate::strategy::{NewTask, Scheduler};
use crate::task::{SpawnInfo, State, Task, Tasks};
use crate::timers::{Action, Timers};
use crate::view::View;
use crate::watchdog::Progress;
pub(crate) use buggify::Buggify;
use livelock::Turns;
pub(crate) use mode::{Leftovers, Mode};
use retake_traces::{Layers, RunConfig};
use ungated::Spawns;

/// Rounds that the sentinel waits after an actor ended: its exit takes hops
/// through tasks that are not gated.
const ROUNDS_AFTER_EXIT: u32 = 2;
/// Rounds that the sentinel waits after virtual time moved: a timer may wake a task that is
/// not gated, such as ractor's `send_after`, whose message is due at that instant as well.
const ROUNDS_AFTER_MOVE: u32 = 2;
/// What is said to have failed where a count of messages is wrong.
pub(crate) const COUNTED: &str = "messages";

/// The stream that the user draws from; made for the first draw.
type UserRandom = Option<Box<ChaCha8Rng>>;

pub(crate) struct Core {
    pub(crate) tasks: Tasks,
    pub(crate) runnable: Runnable,
    scheduler: Box<dyn Scheduler>,
    pub(crate) timers: Timers,
    pub(crate) labels: Labels,
    pub(crate) faults: Faults,
    sink: Box<dyn Sink>,
    pub(crate) trace_error: Option<TraceError>,
    user_random: UserRandom,
    pub(crate) config: RunConfig,
    pub(crate) layers: Layers,
    /// The task that runs its step now.
    current: Option<u32>,
    /// The actor of which `pre_start` runs as a part of the current step.
    pub(crate) within: Option<u32>,
    /// The task that was chosen and has not started its step, and how it was chosen.
    granted: Option<(u32, Choice)>,
    /// Who woke the tasks that reach their gates now: the one step, with its task, that has
    /// run since the system was quiescent. None when it was time, a fault, or one of several.
    woken_by: Option<(u32, NonZeroU64)>,
    pub(crate) now_ns: u64,
    last_record_ns: u64,
    /// Number of the last step at which virtual time moved.
    step_of_last_move: u64,
    /// Who has taken turns, for livelocks.
    pub(crate) turns: Turns,
    /// Rounds to wait before the next pick.
    pub(crate) rounds: u32,
    /// The last step ended at an await, which may be a `yield_now`.
    pub(crate) may_have_yielded: bool,
    /// Threads that were started, where they are allowed, and who started the first.
    pub(crate) threads: u64,
    pub(crate) first_thread: Option<String>,
    /// Where the run is, for other threads.
    pub(crate) progress: Arc<Progress>,
    /// What steps spawn.
    pub(crate) spawns: Spawns,
    /// Nothing could run, and no timer of the simulation's own was pending, after this many
    /// steps, at this time.
    still: Option<(u64, u64)>,
    /// No task has been chosen since virtual time moved: some of what is due now may not have
    /// become runnable.
    pub(crate) instant_is_new: bool,
    pub(crate) outcome: Option<Outcome>,
    /// Frames of the panic that was recorded last; at a standstill, what tasks await.
    pub(crate) backtrace: Vec<String>,
    /// In the place of a task that is gone.
    no_task: Option<SpawnInfo>,
    /// The steps that ended actors, by ractor's number, for supervisors that hear of it.
    ended_by: BTreeMap<u64, u64>,
    /// Whose code was dropped last before it returned.
    cancelled: Option<(u32, LabelId)>,
    pub(crate) stats: Stats,
    pub(crate) mode: Mode,
    pub(crate) run_number: u64,
    /// Goals of the campaign that were seen, and whether they were reached.
    pub(crate) goals: BTreeMap<&'static str, bool>,
    /// What state machines have met: states and events by machine.
    pub(crate) coverage: Coverage,
    /// What became of messages.
    pub(crate) messages: Option<Messages>,
    /// Marked places misbehave; whether each is active.
    pub(crate) buggify: Option<Buggify>,
    /// Sees every event of the story.
    pub(crate) monitor: Option<Monitor>,
    /// The recording of a live process that the run follows.
    pub(crate) follow: Option<Box<Follow>>,
}

/// What a run leaves behind, known when it is over.
#[derive(Debug, Default)]
pub(crate) struct Last {
    pub(crate) unhandled: Vec<UnhandledMessage>,
    /// States that no step has recorded.
    pub(crate) states: Vec<StateRecord>,
}

/// Sees each event and its task; what it reports fails the run.
pub(crate) type Monitor = Box<dyn FnMut(&str, &str) -> Result<(), String>>;

/// What the engine is to do after letting go of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: a task has been woken, or there is nothing runnable.
    Wait,
    /// Come back after the tasks that run now.
    Again,
    /// The run has its outcome.
    Finished,
}

impl Core {
    #[allow(
        clippy::too_many_arguments,
        reason = "called from one place, with one value for each field"
    )]
    pub(crate) fn new(
        scheduler: Box<dyn Scheduler>,
        config: &RunConfig,
        layers: Layers,
        sink: Box<dyn Sink>,
        run_number: u64,
    ) -> Self {
        let mut core = Self {
            tasks: Tasks::default(),
            runnable: Runnable::default(),
            scheduler,
            timers: Timers::default(),
            labels: Labels::default(),
            faults: Faults::default(),
            sink,
            trace_error: None,
            user_random: None,
            config: config.clone(),
            layers,
            current: None,
            within: None,
            granted: None,
            woken_by: None,
            now_ns: 0,
            last_record_ns: 0,
            step_of_last_move: 0,
            turns: Turns::default(),
            rounds: 0,
            may_have_yielded: false,
            threads: 0,
            first_thread: None,
            progress: Arc::default(),
            spawns: Spawns::default(),
            still: None,
            instant_is_new: false,
            outcome: None,
            backtrace: Vec::new(),
            no_task: None,
            ended_by: BTreeMap::new(),
            cancelled: None,
            stats: Stats::default(),
            mode: Mode::default(),
            run_number,
            goals: BTreeMap::new(),
            coverage: Coverage::new(),
            messages: None,
            buggify: None,
            monitor: None,
            follow: None,
        };
        for fault in &config.faults {
            core.plan(fault.clone());
        }
        core
    }

    pub(crate) fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    pub(crate) fn in_step(&self) -> bool {
        self.current.is_some()
    }

    /// The waker of the next task that is polled to see what it awaits.
    pub(crate) fn next_look(&mut self) -> Option<Waker> {
        let mut mode = mem::take(&mut self.mode);
        let waker = match &mut mode {
            Mode::Awaits(look) => look.next(&self.view()),
            _ => None,
        };
        self.mode = mode;
        waker
    }

    /// A task was polled to see what it awaits.
    pub(crate) fn looked(&mut self) {
        self.current = None;
        self.within = None;
    }

    // --- tasks ---

    pub(crate) fn start_actor(
        &mut self,
        cell: &ractor::ActorCell,
        type_name: &'static str,
    ) -> (u32, Vec<Task>) {
        let swept = if self.tasks.sweep_is_due() && self.mode.is_recorded() {
            self.tasks.sweep()
        } else {
            Vec::new()
        };
        let parent = self.actor_or_current().map(|task| task.label);
        let label = self
            .labels
            .of_actor(cell.get_name().as_deref(), type_name, parent);
        self.stats.actors += 1;
        if self.current.is_none() {
            self.spawns.announced += 1;
        }
        (
            self.start(TaskKind::Actor, label, Some(cell.clone())),
            swept,
        )
    }

    pub(crate) fn start_task(&mut self, kind: TaskKind, name: &str) -> u32 {
        let label = self.labels.of_task(name);
        self.stats.tasks += 1;
        self.spawns.known += 1;
        self.start(kind, label, None)
    }

    fn start(&mut self, kind: TaskKind, label: LabelId, cell: Option<ractor::ActorCell>) -> u32 {
        let slot = self.tasks.add(label, cell);
        let parent = self.actor_or_current().map(|task| task.serial);
        let serial = self.tasks.get(slot).map_or(0, |task| task.serial);
        self.scheduler.started(&NewTask {
            slot,
            serial,
            kind,
            label: &self.labels.label(label),
        });
        self.progress.started(label, self.labels.base_text(label));
        if let Some(follow) = &mut self.follow {
            follow.started(slot, self.labels.text(label));
        }
        self.write(&Record::Task(TaskRecord {
            id: serial,
            kind,
            label: self.labels.label(label),
            parent,
        }));
        slot
    }

    /// What is known of the spawning of a task.
    pub(crate) fn spawned(&mut self, slot: u32) -> &mut SpawnInfo {
        let task = self.tasks.get_mut(slot);
        let known = task.map_or(&mut self.no_task, |task| &mut task.spawned);
        known.get_or_insert_with(|| SpawnInfo {
            at: None,
            handle: None,
        })
    }

    /// A gated task that is no actor is gone.
    pub(crate) fn end_task(&mut self, slot: u32) -> Option<Task> {
        self.leave_runnable(slot);
        if self.current == Some(slot) {
            self.current = None;
        }
        self.tasks.remove(slot)
    }

    pub(crate) fn label(&self, task: &Task) -> String {
        self.labels.text(task.label)
    }

    pub(crate) fn label_of_actor(&self, pid: u64) -> Option<String> {
        self.view().label_of_actor(pid)
    }

    pub(crate) fn clean(&self, text: String) -> String {
        self.view().clean(text)
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            tasks: &self.tasks,
            runnable: &self.runnable,
            labels: &self.labels,
            now_ns: self.now_ns,
        }
    }

    pub(crate) fn set_state(&mut self, slot: u32, state: State) {
        if let Some(task) = self.tasks.get_mut(slot) {
            task.state = state;
        }
    }

    pub(crate) fn make_runnable(&mut self, slot: u32) {
        self.set_state(slot, State::Runnable);
        self.enter_runnable(slot);
    }

    #[inline]
    fn enter_runnable(&mut self, slot: u32) {
        self.runnable.insert(slot);
        self.scheduler.arrived(slot);
        self.stats.runnable_max = self.stats.runnable_max.max(self.runnable.len());
    }

    fn leave_runnable(&mut self, slot: u32) {
        let Some(task) = self.tasks.get_mut(slot) else {
            return;
        };
        match mem::replace(&mut task.state, State::Idle) {
            State::Runnable => self.runnable.remove(slot),
            State::Granted => self.granted = None,
            State::Idle | State::Delayed | State::Ended => {}
        }
    }

    pub(crate) fn moved_to(&mut self, now_ns: u64) {
        if now_ns != self.now_ns {
            self.now_ns = now_ns;
            self.instant_is_new = true;
            self.rounds = self.rounds.max(ROUNDS_AFTER_MOVE);
            self.step_of_last_move = self.stats.steps;
            self.turns.time_moved(self.stats.steps);
            crate::interpose::set_now_ns(now_ns);
            if self.has_wrong_clock() {
                self.set_wall_clock();
            }
        }
    }

    pub(crate) fn elapsed_ns(&mut self) -> u64 {
        let elapsed = self.now_ns - self.last_record_ns;
        self.last_record_ns = self.now_ns;
        elapsed
    }

    /// What clocks show at the start of the run.
    pub(crate) fn origin_ns(&self) -> u64 {
        self.follow.as_ref().map_or(0, |follow| follow.origin_ns)
    }

    pub(crate) fn seed(&self) -> u64 {
        self.config.seed
    }

    pub(crate) fn user_random(&mut self) -> &mut ChaCha8Rng {
        let seed = self.config.seed;
        self.user_random
            .get_or_insert_with(|| Box::new(stream(seed, "user")))
    }

    /// Nothing can run, and time moves to look for timers of tokio's.
    pub(crate) fn stands_still(&mut self) {
        let steps = self.stats.steps;
        if self.still.is_none_or(|(then, _)| then != steps) {
            self.still = Some((steps, self.now_ns));
        }
    }

    /// When the run ended.
    pub(crate) fn end_ns(&self) -> u64 {
        match (&self.outcome, self.still) {
            // Time went on to see that there is no timer at all.
            (Some(Outcome::Deadlock { .. }), Some((_, still_ns))) => still_ns,
            _ => self.now_ns.min(self.config.horizon_ns),
        }
    }

    /// A timer of the simulation's own is due and has not fired.
    pub(crate) fn is_timer_due(&mut self) -> bool {
        let now_ns = self.now_ns;
        self.timers
            .next_deadline_ns()
            .is_some_and(|deadline_ns| deadline_ns <= now_ns)
    }

    pub(crate) fn cancel_timer(&mut self, timer: TimerId) -> Option<Action> {
        self.timers.cancel(timer)
    }

    pub(crate) fn current_slot(&self) -> Option<u32> {
        self.current
    }

    /// The number of the task that runs now, the scenario's if none does.
    pub(crate) fn current_serial(&self) -> u32 {
        let task = self.current.and_then(|slot| self.tasks.get(slot));
        task.map_or(0, |task| task.serial)
    }

    /// Whose code runs now: the actor that is started within the current step, or its task.
    fn actor_or_current(&self) -> Option<&Task> {
        self.tasks.get(self.within.or(self.current)?)
    }

    /// The label of the task that runs now.
    fn current_label(&self) -> String {
        let task = self.actor_or_current();
        task.map_or_else(|| "nobody".to_owned(), |task| self.label(task))
    }
}
