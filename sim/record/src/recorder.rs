//! What gates ask while a recording runs.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use ractor::{ActorCell, ActorStatus, SupervisionEvent};
use rand_core::Rng as _;
use retake::engine::{Engine, Outside, Part, StepEnd, TaskId, Ticket, TimerId, Turn, Wants};
use retake_traces::live::{Live, Piece, Start};
use retake_traces::{TraceError, TraceWriter};
use tokio::task::AbortHandle;

use crate::recording::Recorded;
use crate::rng::stream;
use crate::state::{Freed, Polled, State};

thread_local! {
    /// The time of the step that runs on this thread.
    static STEP_NS: Cell<Option<u64>> = const { Cell::new(None) };
}

pub(crate) fn in_step() -> bool {
    STEP_NS.get().is_some()
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

    pub(crate) fn finish(&self) -> Result<Recorded, TraceError> {
        let (recorded, wakers) = self.state().finish();
        wakers.into_iter().for_each(Waker::wake);
        recorded
    }

    fn release(&self, gone: bool) {
        let (freed, gone, over) = {
            let mut state = self.state();
            let (freed, gone) = state.release(gone);
            (freed, gone, state.is_over())
        };
        drop(gone);
        self.pass_on(freed);
        if over {
            let (_, wakers) = self.state().finish();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn pass_on(&self, freed: Freed) {
        match freed {
            Freed::Next(None) => {}
            Freed::Next(Some(next)) => next.wake(),
            Freed::For(actor) => self.release_when(&actor, ActorStatus::Stopped, true),
        }
    }

    /// End the turn when the actor that has it has this status.
    ///
    /// What ractor does around callbacks (telling a supervisor, killing children, giving a name
    /// back) belongs to the step, or others would see it half done.
    #[allow(
        clippy::disallowed_methods,
        reason = "it is no code of the recorded program"
    )]
    fn release_when(&self, actor: &ActorCell, status: ActorStatus, gone: bool) {
        let Some(recorder) = self.myself.upgrade() else {
            return;
        };
        let release = Release { recorder, gone };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // Its runtime is gone.
            return drop(release);
        };
        let actor = actor.clone();
        runtime.spawn(async move {
            let _release = release;
            for _ in 0..YIELDS_MAX {
                // Once at least: what comes after the status is done by then.
                tokio::task::yield_now().await;
                if actor.get_status() >= status {
                    break;
                }
            }
        });
    }
}

/// Ends a turn when it is dropped, in whatever way its task ends.
struct Release {
    recorder: Arc<Recorder>,
    gone: bool,
}

impl Drop for Release {
    fn drop(&mut self) {
        self.recorder.release(self.gone);
    }
}

/// An actor that has not ended after so many rounds of its runtime is let be.
const YIELDS_MAX: u32 = 10_000;

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
        let mut rounds = 0;
        let polled = loop {
            let now_ns = retake::engine::live_now_ns;
            let may_ask_again = rounds < YIELDS_MAX;
            let (polled, stale) = self.state().poll(ticket, waker, now_ns, may_ask_again);
            drop(stale);
            // Another thread is about to tell that the task is over: within a microsecond,
            // unless it is interrupted there.
            if !matches!(polled, Polled::Again) {
                break polled;
            }
            rounds += 1;
            std::thread::yield_now();
        };
        match polled {
            Polled::Wait | Polled::Again => Turn::Wait,
            Polled::Pass => Turn::Pass,
            Polled::Run(now_ns) => {
                STEP_NS.set(Some(now_ns));
                Turn::Run
            }
        }
    }

    fn end_step(&self, ticket: &Ticket, end: StepEnd) -> bool {
        STEP_NS.set(None);
        let returned = matches!(end, StepEnd::Returned);
        let fails = matches!(end, StepEnd::Failed(_) | StepEnd::Panicked(_));
        let exits = fails || (returned && ticket.part == Part::PostStop);
        let status = match ticket.part {
            Part::Task => None,
            _ if exits => Some(ActorStatus::Stopped),
            Part::PostStart if returned => Some(ActorStatus::Running),
            _ => None,
        };
        let actor = {
            let mut state = self.state();
            state.end_step(end);
            status.and_then(|_| state.cell(ticket.task.0))
        };
        match (actor, status) {
            (Some(actor), Some(status)) => self.release_when(&actor, status, exits),
            _ => self.release(false),
        }
        false
    }

    fn cancelled(&self, ticket: &mut Ticket) {
        if in_step() {
            // Part of the step that runs: a child whose start has failed.
            return;
        }
        let (freed, stale) = self.state().cancelled(ticket);
        drop(stale);
        self.pass_on(freed);
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
        STEP_NS.get().unwrap_or_else(retake::engine::live_now_ns)
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
            retake::engine::live_random(bytes);
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
