//! What a simulation engine answers.

use std::any::Any;
use std::fmt::Display;
use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use ractor::{ActorCell, SupervisionEvent};
use retake_core::disk::{DiskFailure, DiskOperation};
use retake_core::service::ServiceFailure;
use tokio::task::AbortHandle;

pub use retake_core::step::{StepEnd, StepKind};

/// The simulation's own number of an actor or task, given in the order of starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

/// What a gate tells the engine about the code behind it. Every actor has room
/// for one in its task, so it is kept small.
#[derive(Debug)]
pub struct Ticket {
    /// The task that the gated code belongs to.
    pub task: TaskId,
    /// Which part of the task is gated. Never [`StepKind::Resume`]: that it continues after
    /// an await is in `resumed`.
    pub part: StepKind,
    /// Discriminant of the message, 0 without one.
    pub message: u16,
    /// True once the gated code has run at least one step.
    pub resumed: bool,
    /// True while the engine holds this gate's waker. Kept by the engine.
    pub waiting: bool,
    /// True when the code has returned and the engine holds what it returned.
    pub held: bool,
    /// True when a violated check has ended the code: it is not polled any more.
    pub stopped: bool,
}

/// The engine's answer to a gate that was polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Run now, as part of the step that is already running or outside any simulation.
    Pass,
    /// Run now; this is a step, and [`Engine::end_step`] follows.
    Run,
    /// Not yet: the engine has kept the waker.
    Wait,
    /// Panic instead of running: an injected fault. [`Engine::end_step`] follows.
    Panic,
    /// Return an error instead of running: an injected fault. [`Engine::end_step`] follows.
    Fail,
    /// Return at once instead of running: an injected fault, which loses a message.
    /// [`Engine::end_step`] follows.
    Lose,
    /// The run has come to a standstill: poll the code with the waker that
    /// [`Engine::look_waker`] gives, which sees what it awaits. [`Engine::looked`] follows.
    Look,
}

/// Which texts an engine records; each costs the making of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Of messages and events.
    pub messages: bool,
    /// Of actors' states.
    pub states: bool,
}

/// What an engine does about a value that comes from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Nothing.
    Unseen,
    /// It records the value: [`Engine::external`] follows.
    Recorded,
    /// It gives the recorded value back, if there is one for this step.
    Replayed(Option<Vec<u8>>),
}

/// A timer that the engine keeps for a sleeping task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    /// The engine's place for it.
    pub slot: u32,
    /// Guards against reuse of the place.
    pub sequence: u64,
}

/// A simulation, as gates see it. Every method is called on the simulation's thread.
pub trait Engine {
    /// What follows on this thread is the engine's own work, until [`Engine::leave`] is called
    /// with what this gives. Called around every question, so that it is cheap.
    fn enter(&self) -> u8 {
        0
    }
    /// What follows on this thread is the user's code again.
    fn leave(&self, entered: u8) {
        let _ = entered;
    }
    /// An actor is about to run its `pre_start`.
    fn actor_starting(&self, actor: &ActorCell, type_name: &'static str) -> TaskId;
    /// The task of an actor that has started; one that is not known yet becomes known.
    fn actor_task(&self, actor: &ActorCell, type_name: &'static str) -> TaskId;
    /// A task that is no actor is about to be spawned.
    fn task_starting(&self, name: &str) -> TaskId;
    /// The gated task that is no actor is gone: it finished or was dropped.
    fn task_gone(&self, task: TaskId);
    /// A gate was polled.
    fn poll(&self, ticket: &mut Ticket, waker: &Waker) -> Turn;
    /// The step of this gate is over. True if its code has returned and ractor is not to
    /// continue yet: [`Engine::hold`] follows.
    fn end_step(&self, ticket: &Ticket, end: StepEnd) -> bool;
    /// A gate was dropped before its code returned.
    fn cancelled(&self, ticket: &mut Ticket);
    /// A waker that does what this one does, and sees what the code awaits.
    fn look_waker(&self, waker: &Waker) -> Waker {
        waker.clone()
    }
    /// The code was polled for [`Turn::Look`].
    fn looked(&self) {}
    /// A supervision event is about to be handled.
    fn supervision(&self, supervisor: TaskId, event: &SupervisionEvent);
    /// Which texts are recorded.
    fn wants(&self) -> Wants;
    /// The state that an actor has as one of its callbacks is called, as text.
    fn state_text(&self, actor: TaskId, text: String);
    /// The message that this actor is about to handle, as text.
    fn message_text(&self, actor: TaskId, text: String);
    /// A line for the story.
    fn event(&self, text: String);
    /// Virtual time since the start of the run, in nanoseconds.
    fn now_ns(&self) -> u64;
    /// Keep a timer; wake the waker when virtual time reaches the deadline.
    fn timer(&self, deadline_ns: u64, waker: &Waker) -> TimerId;
    /// Forget a timer, whether it has fired or not.
    fn cancel_timer(&self, timer: TimerId);
    /// Whether a sleep that is due when it is first polled lets others run first.
    fn due_sleep_yields(&self) -> bool {
        false
    }
    /// Fill with the next draws of the user's random stream.
    fn fill_random(&self, bytes: &mut [u8]);
    /// A process-wide unique form of a name, for ractor's global registry.
    fn scoped_name(&self, name: &str) -> String;
    /// A check has failed: the run ends as failed. `check` is its text with places for
    /// values, or empty.
    fn violated(&self, what: &str, check: &str);
    /// From now on the `pre_start` of this actor runs as a part of another task's step, or
    /// none does. Gives what was so before.
    fn within(&self, actor: Option<TaskId>) -> Option<TaskId> {
        let _ = actor;
        None
    }
    /// Whether a check that failed has ended the run during the step that runs now, so that
    /// the step is to end at once.
    fn ends_step(&self) -> bool {
        false
    }
    /// The `pre_start` of this actor has returned a state as a part of another step.
    fn started_within(&self, actor: TaskId) {
        let _ = actor;
    }
    /// A panic of the user's code was caught that does not concern the run.
    fn ignore_panic(&self) {}
    /// Note whether a goal of the campaign is reached.
    fn goal(&self, name: &'static str, reached: bool);
    /// Whether the marked place is to misbehave now.
    fn buggify(&self, site: &'static str) -> bool;
    /// How this request of a service fails, if it does.
    fn service(&self, name: &str) -> Option<ServiceFailure> {
        let _ = name;
        None
    }
    /// How this operation on a disk fails on purpose, if it does.
    fn disk(&self, name: &str, operation: DiskOperation) -> Option<DiskFailure> {
        let _ = (name, operation);
        None
    }
    /// How much of a load to make that is `full` otherwise.
    fn workload(&self, full: u32) -> u32 {
        full
    }
    /// True if no further fault is injected; otherwise the waker is woken when that is so.
    fn healed(&self, waker: &Waker) -> bool {
        let _ = waker;
        true
    }
    /// Whether a further fault may be injected, in a simulation that wakes nobody when that is over.
    fn awaits_heal(&self) -> bool {
        false
    }
    /// How many ends of children this supervisor survives within how long.
    fn restart_intensity(&self, supervisor: &ActorCell, intensity: u32, period_ns: u64) {
        let _ = (supervisor, intensity, period_ns);
    }
    /// Whether something is known of what this state machine has met.
    fn knows_machine(&self, machine: &str) -> bool {
        let _ = machine;
        true
    }
    /// A state machine has met an event in a state so many times more; 0 says that it may.
    fn covered(&self, machine: &str, state: &dyn Display, event: &str, times: u64) {
        let _ = (machine, state, event, times);
    }

    // What follows is for recordings of live processes, and for replays of them.

    /// Where in the sources this task is spawned.
    fn spawned_at(&self, task: TaskId, place: &'static Location<'static>) {
        let _ = (task, place);
    }

    /// A gated task that is no actor has been spawned; its handle tells when it is over for
    /// those who join it.
    fn task_spawned(&self, task: TaskId, handle: &dyn Fn() -> AbortHandle) {
        let _ = (task, handle);
    }

    /// Whether a fault sends this actor's next message to it once more.
    fn copies_message(&self, task: TaskId) -> bool {
        let _ = task;
        false
    }

    /// What sends it, in the step that handles the message.
    fn keep_copy(&self, task: TaskId, send: Box<dyn FnOnce()>) {
        let _ = (task, send);
    }

    /// Keep what a callback returned until ractor may continue.
    fn hold(&self, task: TaskId, waker: &Waker, output: Box<dyn Any>) {
        let _ = (task, waker, output);
    }
    /// What was kept, if ractor may continue.
    fn let_go(&self, task: TaskId, waker: &Waker) -> Option<Box<dyn Any>> {
        let _ = (task, waker);
        None
    }
    /// Time since the Unix epoch, if the engine knows it better than the system.
    fn unix_time(&self) -> Option<Duration> {
        Some(crate::SIMULATED_UNIX_START + Duration::from_nanos(self.now_ns()))
    }
    /// Of a recorded process: the time of the step that runs on this thread.
    fn step_now_ns(&self) -> Option<u64> {
        None
    }
    /// A value of this name comes from outside now. With `must` there is no waiting for it.
    fn outside(&self, name: &str, must: bool) -> Outside {
        let _ = (name, must);
        Outside::Unseen
    }
    /// The value that came from outside.
    fn external(&self, name: &str, bytes: &[u8]) {
        let _ = (name, bytes);
    }
    /// A value that the running step made, for comparing.
    fn output(&self, name: &str, bytes: &[u8]) {
        let _ = (name, bytes);
    }
    /// True if [`Engine::output`] does anything.
    fn wants_output(&self) -> bool {
        false
    }
    /// What a task that has not run yet was started with.
    fn input(&self, task: TaskId, name: &str, bytes: Vec<u8>) {
        let _ = (task, name, bytes);
    }
}
