//! The scheduler's state and its decisions.
//!
//! Nothing here runs user code: what may (waking a user's waker, killing an
//! actor, dropping what a user gave) is handed back to the engine, which does it
//! after letting go of this state.

use std::collections::BTreeMap;
use std::mem;
use std::num::NonZeroU64;
use std::task::Waker;

use rand_chacha::ChaCha8Rng;
use retake::engine::{Part, StepEnd, Ticket, TimerId, Turn};
use retake_traces::TEXT_MAX;
use retake_traces::error::TraceError;
use retake_traces::record::{
    Choice, End, Panic, Record, State as StateRecord, Step, StepKind, Task as TaskRecord, TaskKind,
    Unhandled,
};
use retake_traces::sink::Sink;
use xxhash_rust::xxh3::xxh3_64;

use crate::causes;
use crate::deadlock::Probe;
use crate::fault::Fault;
use crate::follow::Follow;
use crate::identity::{Label, Labels, clean};
use crate::outcome::{Coverage, Messages, Outcome, Stats, Waiting};
use crate::rng::{below, stream};
use crate::runnable::Runnable;
use crate::strategy::Scheduler;
use crate::strikes::Faults;
use crate::task::{State, Task, Tasks};
use crate::timers::{Action, Timers};

/// Rounds that the sentinel waits after an actor ended: its exit takes hops
/// through tasks that are not gated.
const ROUNDS_AFTER_EXIT: u32 = 2;
/// Longest text of a state.
const STATE_MAX: usize = TEXT_MAX - 1024;
/// Callbacks that are ended to see what is left in mailboxes.
const LEFT_MAX: usize = 1 << 16;
/// Steps over which a livelock's busiest tasks are counted.
const LIVELOCK_SAMPLE: u64 = 1_000;
/// Who is told to have failed where a count of messages does.
pub(crate) const COUNTED: &str = "messages";

/// Limits of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) horizon_ns: u64,
    pub(crate) steps: u64,
    /// Steps without virtual time moving that count as a livelock.
    pub(crate) steps_at_one_time: u64,
}

/// Which records are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layers {
    pub(crate) story: bool,
    pub(crate) causality: bool,
    pub(crate) states: bool,
}

/// The stream that the user draws from; made for the first draw.
struct UserRandom {
    seed: u64,
    rng: Option<Box<ChaCha8Rng>>,
}

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
    limits: Limits,
    pub(crate) layers: Layers,
    /// The task that runs its step now.
    current: Option<u32>,
    /// The task that was chosen and has not begun its step, and how it was chosen.
    granted: Option<(u32, Choice)>,
    /// Who woke the tasks that reach their gates now: the one step, with its task, that has
    /// run since the system was quiescent. None when it was time, a fault, or one of several.
    woken_by: Option<(u32, NonZeroU64)>,
    pub(crate) now_ns: u64,
    last_record_ns: u64,
    /// Number of the last step at which virtual time moved.
    step_of_last_move: u64,
    livelock_counts: BTreeMap<u32, u32>,
    /// Rounds to wait before the next pick.
    pub(crate) rounds: u32,
    /// The last step ended at an await, which may be a `yield_now`.
    pub(crate) may_have_yielded: bool,
    /// A task that no gate guards fails the run.
    pub(crate) strict: bool,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) stats: Stats,
    pub(crate) probe: Option<Probe>,
    pub(crate) run_number: u64,
    /// Goals of the campaign that were seen, and whether they were reached.
    pub(crate) goals: BTreeMap<&'static str, bool>,
    /// What state machines have met: states and events by machine.
    pub(crate) coverage: Coverage,
    /// What became of messages.
    pub(crate) messages: Option<Messages>,
    /// The most that a load may be.
    pub(crate) workload: Option<u32>,
    /// Marked places misbehave; whether each is active.
    pub(crate) buggify: Option<Buggify>,
    /// The run is over and actors are asked for their states: nothing is recorded of what
    /// that brings about.
    pub(crate) sealed: bool,
    /// The run is over and mailboxes are emptied: what was in them.
    pub(crate) left: Option<Left>,
    /// Sees every event of the story.
    pub(crate) monitor: Option<Monitor>,
    /// The recording of a live process that the run follows.
    pub(crate) follow: Option<Box<Follow>>,
}

/// What a run leaves behind, known when it is over.
#[derive(Debug, Default)]
pub(crate) struct Last {
    pub(crate) unhandled: Vec<Unhandled>,
    /// States that no step has told.
    pub(crate) states: Vec<StateRecord>,
}

/// What is found in mailboxes after the run.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Callbacks that have ended for it.
    pub(crate) ended: usize,
    pub(crate) messages: Vec<Unhandled>,
}

/// Sees who told which event; what it says is wrong fails the run.
pub(crate) type Monitor = Box<dyn FnMut(&str, &str) -> Result<(), String>>;

/// What has to hold for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// None is lost but by the end of an actor.
    Conservation,
    /// None is lost.
    Lossless,
}

/// Which marked places misbehave.
pub(crate) struct Buggify {
    rng: ChaCha8Rng,
    active: BTreeMap<&'static str, bool>,
}

impl Buggify {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: stream(seed, "buggify"),
            active: BTreeMap::new(),
        }
    }

    /// A quarter of the places is active, a quarter of the times.
    pub(crate) fn fires(&mut self, site: &'static str) -> bool {
        let rng = &mut self.rng;
        let active = *self
            .active
            .entry(site)
            .or_insert_with(|| below(rng, 4) == 0);
        active && below(&mut self.rng, 4) == 0
    }
}

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
        faults: Vec<Fault>,
        sink: Box<dyn Sink>,
        seed: u64,
        limits: Limits,
        layers: Layers,
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
            user_random: UserRandom { seed, rng: None },
            limits,
            layers,
            current: None,
            granted: None,
            woken_by: None,
            now_ns: 0,
            last_record_ns: 0,
            step_of_last_move: 0,
            livelock_counts: BTreeMap::new(),
            rounds: 0,
            may_have_yielded: false,
            strict: false,
            outcome: None,
            stats: Stats::default(),
            probe: None,
            run_number,
            goals: BTreeMap::new(),
            coverage: Coverage::new(),
            messages: None,
            workload: None,
            buggify: None,
            sealed: false,
            left: None,
            monitor: None,
            follow: None,
        };
        for fault in faults {
            core.plan(fault);
        }
        core
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn is_over(&self) -> bool {
        self.outcome.is_some()
    }

    pub(crate) fn in_step(&self) -> bool {
        self.current.is_some()
    }

    // --- tasks ---

    pub(crate) fn start_actor(
        &mut self,
        cell: &ractor::ActorCell,
        type_name: &'static str,
    ) -> (u32, Vec<Task>) {
        let swept = if self.tasks.sweep_is_due() && !self.sealed {
            self.tasks.sweep()
        } else {
            Vec::new()
        };
        let parent = self
            .current
            .and_then(|slot| self.tasks.get(slot))
            .map(|task| task.label);
        let label = self
            .labels
            .of_actor(cell.get_name().as_deref(), type_name, parent);
        self.stats.actors += 1;
        (
            self.start(TaskKind::Actor, label, Some(cell.clone())),
            swept,
        )
    }

    pub(crate) fn start_task(&mut self, kind: TaskKind, name: &str) -> u32 {
        let label = self.labels.of_task(name);
        self.stats.tasks += 1;
        self.start(kind, label, None)
    }

    fn start(&mut self, kind: TaskKind, label: Label, cell: Option<ractor::ActorCell>) -> u32 {
        let slot = self.tasks.add(label, cell);
        let parent = self
            .current
            .and_then(|slot| self.tasks.get(slot))
            .map(|task| task.serial);
        let serial = self.tasks.get(slot).map_or(0, |task| task.serial);
        self.scheduler.started(slot, serial);
        if let Some(follow) = &mut self.follow {
            follow.started(slot, self.labels.text(label));
        }
        self.write(&Record::Task(TaskRecord {
            id: serial,
            kind,
            label: self.labels.text(label),
            parent,
        }));
        slot
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
        let slot = self.tasks.slot_of_actor(pid)?;
        self.tasks.get(slot).map(|task| self.label(task))
    }

    /// Add an event to the story.
    pub(crate) fn tell(&mut self, text: String) {
        if self.layers.story && !self.is_over() {
            self.write(&Record::Event(text));
        }
    }

    pub(crate) fn clean(&self, text: String) -> String {
        clean(text, |pid| self.label_of_actor(pid))
    }

    // --- gates ---

    /// A gate was polled. Gives back the turn and a waker to drop.
    #[inline]
    pub(crate) fn poll(&mut self, ticket: &mut Ticket, waker: &Waker) -> (Turn, Option<Waker>) {
        if self.current.is_some() {
            // Part of the step that runs: `pre_start` of a child, for example.
            if ticket.part == Part::PreStart && self.faults.await_starts() {
                return (self.start_within(ticket, waker), None);
            }
            return (Turn::Pass, None);
        }
        if self.left.is_some() {
            return (self.take_left(ticket), None);
        }
        let slot = ticket.task.0;
        if ticket.waiting {
            if let Some((_, choice)) = self.granted.filter(|(granted, _)| *granted == slot) {
                self.granted = None;
                ticket.waiting = false;
                let stale = match &self.follow {
                    // It may have to be polled again without a reason.
                    Some(_) => self
                        .tasks
                        .get_mut(slot)
                        .and_then(|task| task.keep_waker(waker)),
                    None => None,
                };
                return (self.begin(ticket, choice), stale);
            }
            let stale = self
                .tasks
                .get_mut(slot)
                .and_then(|task| task.keep_waker(waker));
            return (Turn::Wait, stale);
        }
        if self.is_over() {
            return (Turn::Wait, self.keep_waker(slot, waker));
        }
        if let Some(probe) = &mut self.probe {
            probe.woken(slot, ticket.resumed);
            return (Turn::Wait, None);
        }
        let delayed = self.faults.has_delays() && self.is_delayed(slot);
        if !delayed
            && !self.is_paused()
            && self.scheduler.eager(slot, self.stats.steps + 1)
            && !self.must_stop()
        {
            let stale = self.keep_waker(slot, waker);
            return (self.begin(ticket, Choice::Eager), stale);
        }
        if self.layers.causality {
            self.keep_cause(ticket);
        }
        ticket.waiting = true;
        if let Some(follow) = &mut self.follow {
            let kind = if ticket.resumed {
                StepKind::Resume
            } else {
                kind_of(ticket.part)
            };
            follow.arrived(slot, kind, ticket.message);
        }
        let Some(task) = self.tasks.get_mut(slot) else {
            debug_assert!(false, "a gate outlives its task");
            return (Turn::Wait, None);
        };
        let stale = task.keep_waker(waker);
        if delayed {
            task.state = State::Delayed;
        } else {
            task.state = State::Runnable;
            self.enter_runnable(slot);
        }
        (Turn::Wait, stale)
    }

    /// A gate was polled while mailboxes are emptied: its callback ends without running, so
    /// that ractor takes the next message to one.
    fn take_left(&mut self, ticket: &Ticket) -> Turn {
        let gives_nothing = matches!(
            ticket.part,
            Part::PostStart | Part::Handle | Part::Supervision
        );
        let Some(left) = self.left.as_mut().filter(|left| left.ended < LEFT_MAX) else {
            return Turn::Wait;
        };
        if !gives_nothing {
            return Turn::Wait;
        }
        left.ended += 1;
        let is_message = ticket.part == Part::Handle && !ticket.resumed;
        if let (true, Some(sent)) = (is_message, causes::sender())
            && let Some(task) = self.tasks.get(ticket.task.0)
        {
            let text = task.about.as_ref().and_then(|about| about.text.clone());
            let message = Unhandled {
                task: task.serial,
                sent: sent.get(),
                text: self.clean(text.unwrap_or_default()),
            };
            if let Some(left) = &mut self.left {
                left.messages.push(message);
            }
        }
        Turn::Lose
    }

    /// Keep the waker of a gate that is not picked, where mailboxes are looked into at the
    /// end.
    fn keep_waker(&mut self, slot: u32, waker: &Waker) -> Option<Waker> {
        if !self.layers.causality {
            return None;
        }
        let task = self.tasks.get_mut(slot).filter(|task| task.is_actor());
        task?.keep_waker(waker)
    }

    /// The wakers of live actors, by serial.
    pub(crate) fn wakers(&self) -> Vec<Waker> {
        let mut wakers: Vec<(u32, Waker)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.is_live_actor())
            .filter_map(|(_, task)| Some((task.serial, task.waker.clone()?)))
            .collect();
        wakers.sort_unstable_by_key(|(serial, _)| *serial);
        wakers.into_iter().map(|(_, waker)| waker).collect()
    }

    /// Keep the step that led to the one for which this gate waits: for a message the one
    /// that sent it, whose span is entered only while the handler is polled; for all else
    /// the one that woke the task.
    fn keep_cause(&mut self, ticket: &Ticket) {
        let slot = ticket.task.0;
        let cause = if !ticket.resumed && ticket.part == Part::Handle {
            causes::sender()
        } else {
            self.woken_by
                .filter(|(by, _)| *by != slot)
                .map(|(_, step)| step)
        };
        if let Some(task) = self.tasks.get_mut(slot) {
            task.about.get_or_insert_default().cause = cause;
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

    #[inline]
    fn begin(&mut self, ticket: &mut Ticket, choice: Choice) -> Turn {
        let slot = ticket.task.0;
        let injected = self.injected(ticket);
        self.stats.steps += 1;
        self.current = Some(slot);
        if self.layers.causality {
            if choice == Choice::Eager {
                self.keep_cause(ticket);
            }
            // With steps run eagerly there are several that may have woken a task.
            self.woken_by = NonZeroU64::new(self.stats.steps)
                .filter(|_| choice != Choice::Eager)
                .map(|step| (slot, step));
        }
        let Some(task) = self.tasks.get_mut(slot) else {
            return Turn::Wait;
        };
        task.state = State::Idle;
        task.suspended = false;
        let serial = task.serial;
        let kind = if ticket.resumed {
            StepKind::Resume
        } else {
            kind_of(ticket.part)
        };
        let cause = task.about.as_mut().and_then(|about| about.cause.take());
        if !ticket.resumed {
            task.doing = ticket.part;
            if let Some(about) = &mut task.about
                && !matches!(ticket.part, Part::Handle | Part::Supervision)
            {
                about.text = None;
            }
        }
        let step = Step {
            elapsed_ns: self.elapsed_ns(),
            task: serial,
            kind,
            message: ticket.message,
            choice,
        };
        self.write(&Record::Step(step));
        if self.layers.story && !ticket.resumed {
            self.write_detail(slot);
        }
        if self.layers.causality {
            causes::set_running(self.stats.steps);
            if let Some(cause) = cause {
                self.write(&Record::Cause(cause.get()));
            }
        }
        if self.layers.states && !ticket.resumed {
            self.write_state(slot);
        }
        injected.unwrap_or(Turn::Run)
    }

    /// What a fault makes of the callback that is about to begin.
    #[inline]
    fn injected(&mut self, ticket: &Ticket) -> Option<Turn> {
        let slot = ticket.task.0;
        if ticket.resumed {
            return None;
        }
        if self.tasks.get(slot)?.is_armed {
            return self.fire_armed(slot, kind_of(ticket.part));
        }
        if ticket.part == Part::PreStart && self.faults.await_starts() {
            return self.fire_start(slot);
        }
        None
    }

    fn write_detail(&mut self, slot: u32) {
        let about = self.tasks.get(slot).and_then(|task| task.about.as_ref());
        if let Some(text) = about.and_then(|about| about.text.clone()) {
            let text = self.clean(text);
            self.write(&Record::Detail(text));
        }
    }

    /// Record the state that the callback which begins has found.
    fn write_state(&mut self, slot: u32) {
        let state = self.tasks.get_mut(slot).and_then(|task| {
            let seen = task.about.as_mut()?.state.as_mut()?;
            Some((task.serial, seen.text.take()?))
        });
        if let Some((task, text)) = state
            && let Some(text) = self.changed_state(slot, text)
        {
            self.write(&Record::State(StateRecord {
                task,
                text,
                at_end: false,
            }));
        }
    }

    /// The text of a state, made fit to be recorded, if it is not the one recorded last.
    fn changed_state(&mut self, slot: u32, text: String) -> Option<String> {
        let mut text = self.clean(text);
        if text.len() > STATE_MAX {
            // Without its length, which `clean` does not make equal where the end was cut.
            text.truncate(text.floor_char_boundary(STATE_MAX));
            text.push('…');
        }
        let hash = Some(xxh3_64(text.as_bytes()));
        let seen = self.tasks.get_mut(slot)?.about.as_mut()?.state.as_mut()?;
        if seen.recorded == hash {
            return None;
        }
        seen.recorded = hash;
        Some(text)
    }

    /// What is known of actors' states at the end of the run and is not recorded, by
    /// serial.
    pub(crate) fn last_states(&mut self) -> Vec<StateRecord> {
        let mut slots: Vec<(u32, u32)> = self
            .tasks
            .iter()
            .map(|(slot, task)| (task.serial, slot))
            .collect();
        slots.sort_unstable();
        let mut states = Vec::new();
        for (serial, slot) in slots {
            let text = self.tasks.get_mut(slot).and_then(|task| {
                let seen = task.about.as_mut()?.state.as_mut()?;
                seen.text.take()
            });
            let text = text.and_then(|text| self.changed_state(slot, text));
            states.extend(text.map(|text| StateRecord {
                task: serial,
                text,
                at_end: true,
            }));
        }
        states
    }

    /// Live actors that wait for a message, by serial.
    pub(crate) fn idle_actors(&self) -> Vec<ractor::ActorCell> {
        let mut idle: Vec<(u32, ractor::ActorCell)> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.is_live_actor() && !task.suspended)
            .filter_map(|(_, task)| Some((task.serial, task.cell.clone()?)))
            .collect();
        idle.sort_unstable_by_key(|(serial, _)| *serial);
        idle.into_iter().map(|(_, cell)| cell).collect()
    }

    /// The step of this gate is over. The engine kicks the sentinel. True if what its code
    /// returned is to be held.
    pub(crate) fn end_step(&mut self, ticket: &Ticket, end: StepEnd) -> bool {
        if self.current != Some(ticket.task.0) {
            // A start that a fault ended, as a part of its parent's step.
            return false;
        }
        self.current = None;
        if self.layers.causality {
            causes::set_running(0);
        }
        let holds = self.follow.is_some() && self.follow_end(ticket, &end);
        self.note_end(ticket, end);
        holds
    }

    fn note_end(&mut self, ticket: &Ticket, end: StepEnd) {
        let slot = ticket.task.0;
        let Some(task) = self.tasks.get_mut(slot) else {
            return;
        };
        task.suspended = matches!(end, StepEnd::Pending);
        let is_scenario = task.is_scenario();
        let exits = ticket.part == Part::PostStop || !task.is_actor();
        match end {
            StepEnd::Pending => self.may_have_yielded = true,
            StepEnd::Returned if exits => self.rounds = ROUNDS_AFTER_EXIT,
            StepEnd::Returned => {}
            StepEnd::Failed(error) => {
                self.rounds = ROUNDS_AFTER_EXIT;
                if self.layers.story {
                    let error = self.clean(format!("failed: {error}"));
                    self.write(&Record::Event(error));
                }
            }
            StepEnd::Panicked(message) => {
                self.rounds = ROUNDS_AFTER_EXIT;
                self.panicked(slot, message);
                return;
            }
        }
        // A recorded process may have gone on after that.
        let is_last = is_scenario && self.follow.is_none();
        if is_last && !matches!(self.tasks.get(slot), Some(task) if task.suspended) {
            self.finish(Outcome::Passed);
        }
    }

    fn panicked(&mut self, slot: u32, message: String) {
        let message = self.clean(message);
        let Some(task) = self.tasks.get(slot) else {
            return;
        };
        let (serial, label) = (task.serial, self.label(task));
        let supervised = task
            .cell
            .as_ref()
            .is_some_and(|cell| cell.try_get_supervisor().is_some());
        self.write(&Record::Panic(Panic {
            task: serial,
            message: message.clone(),
        }));
        if message.starts_with(crate::sim::NO_THREADS) {
            self.finish(Outcome::Escaped {
                what: format!(
                    "{label} called `spawn_blocking` or something built on it, such as `tokio::fs`"
                ),
                remedy: "its thread would run outside the simulation: do the work in the task, or put it \
                         behind a seam that the simulation replaces (see `retake::is_simulated`)"
                    .to_owned(),
            });
        } else if !supervised && self.follow.is_none() {
            self.finish(Outcome::Panicked {
                task: label,
                message,
            });
        }
    }

    /// A gate was dropped before its code returned.
    pub(crate) fn cancelled(&mut self, ticket: &mut Ticket) {
        let slot = ticket.task.0;
        if self.current == Some(slot) {
            return;
        }
        if mem::take(&mut ticket.waiting) {
            self.leave_runnable(slot);
        }
        if let Some(task) = self.tasks.get_mut(slot) {
            task.suspended = false;
        }
        self.rounds = ROUNDS_AFTER_EXIT;
    }

    // --- decisions ---

    /// True when limits forbid another step; then the outcome is set.
    #[inline]
    fn must_stop(&mut self) -> bool {
        let steps = self.stats.steps;
        let within = self.now_ns <= self.limits.horizon_ns
            && steps < self.limits.steps
            && steps - self.step_of_last_move < self.limits.steps_at_one_time;
        // An outcome that is set already stops every step.
        self.outcome.is_some() || (!within && self.stop_at_limit())
    }

    #[cold]
    fn stop_at_limit(&mut self) -> bool {
        if self.now_ns > self.limits.horizon_ns {
            let waiting = self.waiting();
            self.finish(Outcome::Horizon { waiting });
        } else if self.stats.steps >= self.limits.steps {
            self.finish(Outcome::StepLimit);
        } else if self.stats.steps - self.step_of_last_move >= self.limits.steps_at_one_time {
            self.sample_livelock();
        }
        self.is_over()
    }

    fn sample_livelock(&mut self) {
        let sampled = self.stats.steps - self.step_of_last_move - self.limits.steps_at_one_time;
        if sampled < LIVELOCK_SAMPLE {
            return;
        }
        let total: u32 = self.livelock_counts.values().sum::<u32>().max(1);
        let mut busy: Vec<(String, u32)> = self
            .livelock_counts
            .iter()
            .filter_map(|(slot, count)| {
                Some((self.label(self.tasks.get(*slot)?), count * 100 / total))
            })
            .collect();
        busy.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        busy.truncate(5);
        self.finish(Outcome::Livelock { busy });
    }

    /// Choose and wake the next task. Called at quiescence.
    #[inline]
    pub(crate) fn pick(&mut self) -> Next {
        if self.must_stop() {
            return Next::Finished;
        }
        if self.runnable.is_empty() || self.is_paused() {
            return Next::Wait;
        }
        let step = self.stats.steps + 1;
        if self.find_free_names() {
            return Next::Again;
        }
        if self.faults.wait_for_steps && self.strike_for_step(step) {
            self.woken_by = None;
            self.rounds = ROUNDS_AFTER_EXIT;
            return Next::Again;
        }
        // A single runnable task is the oldest, and leaves no round behind it.
        let alone = self.runnable.len() == 1 && !self.faults.wait_for_steps;
        let oldest = if alone {
            Some(self.runnable.nth(0))
        } else {
            self.runnable.oldest()
        };
        let Some(slot) = self.scheduler.pick(step, &mut self.runnable) else {
            self.finish(Outcome::Diverged {
                reason: self.scheduler.reason(),
            });
            return Next::Finished;
        };
        assert!(
            self.runnable.contains(slot),
            "a scheduler picks a runnable task"
        );
        let choice = if oldest == Some(slot) {
            Choice::Fifo
        } else {
            Choice::Deviation
        };
        self.stats.deviations += u64::from(choice == Choice::Deviation);
        self.grant(slot, choice);
        Next::Wait
    }

    /// The choice of a recording.
    pub(crate) fn grant_to(&mut self, slot: u32) {
        self.grant(slot, Choice::Fifo);
    }

    #[inline]
    fn grant(&mut self, slot: u32, choice: Choice) {
        self.stats.picks += 1;
        self.runnable.remove(slot);
        self.granted = Some((slot, choice));
        if self.stats.steps - self.step_of_last_move >= self.limits.steps_at_one_time {
            *self.livelock_counts.entry(slot).or_default() += 1;
        }
        if let Some(task) = self.tasks.get_mut(slot) {
            task.state = State::Granted;
            if let Some(waker) = &task.waker {
                // A gate's waker is its tokio task's: waking it runs no user code.
                waker.wake_by_ref();
            }
        }
    }

    /// Something waits for a quiescent system: a runnable task, or an exit's hops.
    #[inline]
    pub(crate) fn awaits_quiescence(&self) -> bool {
        self.rounds > 0 || !self.runnable.is_empty()
    }

    pub(crate) fn has_grant(&self) -> bool {
        self.granted.is_some()
    }

    /// Nothing can run: what is woken from now on is woken by time.
    pub(crate) fn forget_waker(&mut self) {
        self.woken_by = None;
    }

    /// A chosen task did not take its step, although nothing else runs: forget it.
    pub(crate) fn reclaim_grant(&mut self) {
        if let Some((slot, _)) = self.granted.take() {
            self.set_state(slot, State::Idle);
        }
    }

    // --- time, randomness, timers ---

    pub(crate) fn moved_to(&mut self, now_ns: u64) {
        if now_ns != self.now_ns {
            self.now_ns = now_ns;
            self.step_of_last_move = self.stats.steps;
            self.livelock_counts.clear();
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
        self.user_random.seed
    }

    pub(crate) fn user_random(&mut self) -> &mut ChaCha8Rng {
        let UserRandom { seed, rng } = &mut self.user_random;
        rng.get_or_insert_with(|| Box::new(stream(*seed, "user")))
    }

    pub(crate) fn cancel_timer(&mut self, timer: TimerId) -> Option<Action> {
        self.timers.cancel(timer)
    }

    // --- checks ---

    pub(crate) fn current_slot(&self) -> Option<u32> {
        self.current
    }

    /// The number of whoever runs now, the scenario's if nobody does.
    pub(crate) fn current_serial(&self) -> u32 {
        let task = self.current.and_then(|slot| self.tasks.get(slot));
        task.map_or(0, |task| task.serial)
    }

    /// The label of whoever runs now.
    fn current_label(&self) -> String {
        let task = self.current.and_then(|slot| self.tasks.get(slot));
        task.map_or_else(|| "nobody".to_owned(), |task| self.label(task))
    }

    pub(crate) fn violated(&mut self, what: &str) {
        let what = self.clean(what.to_owned());
        if self.is_over() {
            return;
        }
        let task = self.current_label();
        if self.layers.story {
            self.write(&Record::Event(format!("violated: {what}")));
        }
        if let Some(follow) = &mut self.follow {
            // The recorded process went on.
            follow.violated(format!("{task}: {what}"));
            return;
        }
        self.finish(Outcome::Violated { task, what });
    }

    pub(crate) fn show_to_monitor(&mut self, text: &str) {
        if let Some(mut monitor) = self.monitor.take() {
            let seen = monitor(&self.current_label(), text);
            self.monitor = Some(monitor);
            if let Err(what) = seen {
                self.violated(&what);
            }
        }
    }

    /// A state machine has met an event in a state so many times more.
    pub(crate) fn covered(&mut self, machine: &str, state: &str, event: &str, times: u64) {
        let states = self.coverage.entry(machine.to_owned()).or_default();
        let events = states.entry(state.to_owned()).or_default();
        *events.entry(event.to_owned()).or_default() += times;
    }

    /// The run is over: see what became of its messages.
    pub(crate) fn check_messages(&mut self, messages: Option<Messages>, watch: Watch) {
        self.messages = messages;
        let Some(messages) = &self.messages else {
            return;
        };
        let live = self.tasks.iter().filter(|(_, task)| task.is_live_actor());
        let none_ended = live.count() as u64 == self.stats.actors;
        let Messages {
            sent,
            handled,
            refused,
            lost,
            first_lost,
            queued,
        } = messages.clone();
        let wrong = if sent != handled + refused + lost + queued {
            format!(
                "{sent} sent, but {handled} handled, {refused} refused, {lost} lost, {queued} queued"
            )
        } else if lost > 0 && (none_ended || watch == Watch::Lossless) {
            let first = first_lost.unwrap_or_default();
            format!("{lost} of {sent} messages were lost, the first one sent by step {first}")
        } else {
            return;
        };
        if self.outcome == Some(Outcome::Passed) {
            self.outcome = Some(Outcome::Violated {
                task: COUNTED.to_owned(),
                what: wrong,
            });
        }
    }

    // --- records and the end ---

    #[inline]
    pub(crate) fn write(&mut self, record: &Record) {
        if self.trace_error.is_some() || self.sealed {
            return;
        }
        if let Err(error) = self.sink.record(record) {
            self.trace_error = Some(error);
        }
    }

    /// Tasks that wait inside a callback.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        self.tasks
            .iter()
            .filter(|(_, task)| task.suspended)
            .map(|(_, task)| Waiting {
                task: self.label(task),
                doing: self.clean(task.doing()),
                waits_for: Vec::new(),
            })
            .collect()
    }

    pub(crate) fn finish(&mut self, outcome: Outcome) {
        if self.outcome.is_none() {
            self.outcome = Some(outcome);
        }
    }

    /// Write what was left in mailboxes, the last states and the end, and close the trace;
    /// gives the event hash.
    pub(crate) fn close(&mut self, last: Last) -> u64 {
        for message in last.unhandled {
            self.write(&Record::Unhandled(message));
        }
        for state in last.states {
            self.write(&Record::State(state));
        }
        self.stats.virtual_time =
            std::time::Duration::from_nanos(self.now_ns.min(self.limits.horizon_ns));
        let outcome = self.outcome.clone().unwrap_or(Outcome::StepLimit);
        let end = End {
            outcome: outcome.name().to_owned(),
            detail: outcome.detail(),
            steps: self.stats.steps,
            now_ns: self.now_ns.min(self.limits.horizon_ns),
        };
        self.write(&Record::End(end));
        if let Err(error) = self.sink.finish() {
            self.trace_error.get_or_insert(error);
        }
        self.sink.event_hash()
    }
}

fn kind_of(part: Part) -> StepKind {
    match part {
        Part::PreStart => StepKind::PreStart,
        Part::PostStart => StepKind::PostStart,
        Part::Handle => StepKind::Handle,
        Part::Supervision => StepKind::Supervision,
        Part::PostStop => StepKind::PostStop,
        Part::Task => StepKind::Task,
    }
}
