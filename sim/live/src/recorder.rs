//! What gates ask while a recording runs.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use ractor::{ActorCell, ActorStatus, SupervisionEvent};
use rand_core::Rng as _;
use retake::engine::{Engine, Outside, StepEnd, StepKind, TaskId, Ticket, TimerId, Turn, Wants};
use retake_traces::live::{Live, Piece, Start};
use retake_traces::{TraceError, TraceWriter};
use tokio::task::AbortHandle;

use crate::after_poll::{self, Until};
use crate::rng::stream;
use crate::state::{CancelEffect, PollAnswer, RecordingReport, State};

thread_local! {
    /// The time of the step that runs on this thread.
    static STEP_NS: Cell<Option<u64>> = const { Cell::new(None) };
}

pub(crate) fn in_step() -> bool {
    STEP_NS.get().is_some()
}

/// What has the turn until the poll is over.
#[derive(Clone, Copy)]
enum Holder {
    /// The step that ran; the actor is gone with it if `exits`.
    Step { exits: bool },
    /// An actor that was killed.
    Killed,
}

pub(crate) struct Recorder {
    myself: Weak<Self>,
    state: Mutex<State>,
    texts: bool,
    start: (u64, u64),
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    pub(crate) fn new(
        writer: TraceWriter,
        seed: u64,
        start: &Start,
        texts: bool,
        bytes_max: Option<u64>,
    ) -> Arc<Self> {
        let state = State::new(writer, stream(seed, "user"), bytes_max, start.clone());
        Arc::new_cyclic(|myself| Self {
            myself: myself.clone(),
            state: Mutex::new(state),
            texts,
            start: (start.origin_ns, start.unix_ns),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is under it is whole at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn flush(&self) {
        self.state().flush();
    }

    pub(crate) fn finish(&self) -> Result<RecordingReport, TraceError> {
        let (recorded, wakers) = self.state().finish();
        wakers.into_iter().for_each(Waker::wake);
        recorded
    }

    /// The turn is over; its actor has ended with it if `exits`.
    pub(crate) fn release(&self, exits: bool) {
        let (next, gone, over) = {
            let mut state = self.state();
            let (next, gone) = state.release(exits);
            (next, gone, state.is_over())
        };
        drop(gone);
        if let Some(next) = next {
            next.wake();
        }
        if over {
            let (_, wakers) = self.state().finish();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// An actor that was killed has ended.
    pub(crate) fn exited(&self) {
        let is_last = self.state().exited();
        if is_last {
            self.release(false);
        }
    }

    /// End a turn when the poll that runs on this thread is over.
    fn release_after_poll(&self, holder: Holder, until: Option<Until>) {
        if let Some(recorder) = self.myself.upgrade() {
            after_poll::call(until, move || match holder {
                Holder::Step { exits } => recorder.release(exits),
                Holder::Killed => recorder.exited(),
            });
        }
    }
}

impl Engine for Recorder {
    fn actor_starting(&self, actor: &ActorCell, type_name: &'static str) -> TaskId {
        TaskId(self.state().start_actor(actor, type_name))
    }

    fn actor_task(&self, actor: &ActorCell, type_name: &'static str) -> TaskId {
        let mut state = self.state();
        let known = state.actor(actor.get_id().pid());
        TaskId(known.unwrap_or_else(|| state.start_actor(actor, type_name)))
    }

    fn task_starting(&self, name: &str) -> TaskId {
        TaskId(self.state().start_task(name))
    }

    fn task_spawned(&self, task: TaskId, handle: &dyn Fn() -> AbortHandle) {
        self.state().set_handle(task.0, handle());
    }

    fn task_gone(&self, task: TaskId) {
        let gone = self.state().remove(task.0);
        drop(gone);
    }

    fn poll(&self, ticket: &mut Ticket, waker: &Waker) -> Turn {
        if in_step() {
            // Part of the step that runs: `pre_start` of a child, for example.
            return Turn::Pass;
        }
        let now_ns = retake::live::now_ns;
        let (polled, stale) = self.state().poll(ticket, waker, now_ns);
        drop(stale);
        match polled {
            PollAnswer::Wait => Turn::Wait,
            PollAnswer::Pass => Turn::Pass,
            PollAnswer::Run(now_ns) => {
                STEP_NS.set(Some(now_ns));
                Turn::Run
            }
        }
    }

    fn end_step(&self, ticket: &Ticket, end: StepEnd) -> bool {
        STEP_NS.set(None);
        let pending = matches!(end, StepEnd::Pending);
        let returned = matches!(end, StepEnd::Returned);
        let fails = !pending && !returned;
        let is_task = ticket.part == StepKind::Task;
        let exits = !is_task && (fails || (returned && ticket.part == StepKind::PostStop));
        let starts = returned && ticket.part == StepKind::PostStart;
        let until = {
            let mut state = self.state();
            state.end_step(end);
            match () {
                () if exits => state.until(ticket.task.0, ActorStatus::Stopped),
                () if starts => state.until(ticket.task.0, ActorStatus::Running),
                () => state.until_finished(ticket.task.0).filter(|_| !pending),
            }
        };
        if exits || starts || (is_task && !pending) {
            self.release_after_poll(Holder::Step { exits }, until);
        } else {
            self.release(false);
        }
        false
    }

    fn cancelled(&self, ticket: &mut Ticket) {
        if in_step() {
            // Part of the step that runs: a child whose start has failed.
            return;
        }
        let (cancelled, stale) = self.state().cancelled(ticket);
        drop(stale);
        match cancelled {
            CancelEffect::Killed(until) => self.release_after_poll(Holder::Killed, Some(until)),
            CancelEffect::PassOn(next) => {
                if let Some(next) = next {
                    next.wake();
                }
            }
        }
    }

    fn supervision(&self, supervisor: TaskId, event: &SupervisionEvent) {
        let mut state = self.state();
        match event {
            SupervisionEvent::ActorStarted(child) => {
                state.set_news(supervisor.0, child.get_id().pid(), true);
            }
            SupervisionEvent::ActorTerminated(child, ..)
            | SupervisionEvent::ActorFailed(child, _) => {
                state.set_news(supervisor.0, child.get_id().pid(), false);
            }
            SupervisionEvent::ProcessGroupChanged(_) => {}
            #[allow(
                unreachable_patterns,
                reason = "ractor has more events with other features"
            )]
            _ => {}
        }
        if self.texts {
            state.set_text(supervisor.0, format!("{event:?}"));
        }
    }

    fn wants(&self) -> Wants {
        Wants {
            messages: self.texts,
            states: false,
        }
    }

    fn state_text(&self, _: TaskId, _: String) {}

    fn message_text(&self, actor: TaskId, text: String) {
        self.state().set_text(actor.0, text);
    }

    fn event(&self, _: String) {}

    fn now_ns(&self) -> u64 {
        STEP_NS.get().unwrap_or_else(retake::live::now_ns)
    }

    fn timer(&self, _: u64, _: &Waker) -> TimerId {
        // Sleeps of a live process are tokio's.
        TimerId {
            slot: 0,
            sequence: 0,
        }
    }

    fn cancel_timer(&self, _: TimerId) {}

    fn fill_random(&self, bytes: &mut [u8]) {
        if in_step() {
            self.state().rng.fill_bytes(bytes);
        } else {
            retake::live::random(bytes);
        }
    }

    fn scoped_name(&self, name: &str) -> String {
        name.to_owned()
    }

    fn violated(&self, _: &str, _: &str) {}

    fn within(&self, actor: Option<TaskId>) -> Option<TaskId> {
        self.state().within(actor)
    }

    fn goal(&self, _: &'static str, _: bool) {}

    fn buggify(&self, _: &'static str) -> bool {
        false
    }

    fn unix_time(&self) -> Option<Duration> {
        let (origin_ns, unix_ns) = self.start;
        let since_start = STEP_NS.get()?.saturating_sub(origin_ns);
        Some(Duration::from_nanos(unix_ns + since_start))
    }

    fn step_now_ns(&self) -> Option<u64> {
        STEP_NS.get()
    }

    fn outside(&self, _: &str, _: bool) -> Outside {
        if in_step() {
            Outside::Recorded
        } else {
            Outside::Unseen
        }
    }

    fn external(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        for piece in Piece::split(name, bytes) {
            state.write_live(Live::External(piece));
        }
    }

    fn output(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        for piece in Piece::split(name, bytes) {
            state.write_live(Live::Output(piece));
        }
    }

    fn wants_output(&self) -> bool {
        in_step()
    }

    fn input(&self, task: TaskId, name: &str, bytes: Vec<u8>) {
        self.state().set_input(task.0, name, bytes);
    }
}
