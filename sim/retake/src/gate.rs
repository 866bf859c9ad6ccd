//! The gate: every poll of the code behind it waits for the scheduler's turn.
//!
//! Outside a simulation a gate is one thread-local read when it is made and one
//! comparison each time it is polled.

mod polling;
mod simulated;
mod texts;
mod wrapped;

use std::any::{Any, type_name};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::task::AbortHandle;

use crate::engine::{self, Engine, StepKind, TaskId, Ticket, Turn};

use self::polling::{Code, let_go, poll_gated};
use self::texts::{discriminant_of, short_name};

pub(crate) use self::polling::stop_step;
pub use self::simulated::SimulatedActor;
#[doc(hidden)]
pub use self::texts::{Probe, ProbeFallback};
/// For what [`simulated`](macro@crate::simulated) generates, wherever its crate has ractor.
#[doc(hidden)]
pub use ractor;
/// For `impl Actor` blocks of `async fn`s that are to have no gate, with either form of ractor's
/// trait.
#[cfg(feature = "async-trait")]
#[doc(hidden)]
pub use ractor::async_trait as callbacks;
#[cfg(not(feature = "async-trait"))]
#[doc(hidden)]
pub use retake_macros::async_trait as callbacks;

type CallbackResult<T> = Result<T, ActorProcessingErr>;

/// A gate for one callback of an actor: made by [`simulated`](macro@crate::simulated),
/// which then puts the callback's body behind it.
#[derive(Debug)]
pub struct Gate(Option<Ticket>);

impl Gate {
    /// For code outside any simulation.
    const OPEN: Self = Self(None);

    fn new(task: TaskId, part: StepKind) -> Self {
        Self(Some(Ticket {
            task,
            part,
            message: 0,
            resumed: false,
            waiting: false,
            held: false,
            stopped: false,
        }))
    }

    fn with_message(mut self, discriminant: u16) -> Self {
        if let Some(ticket) = &mut self.0 {
            ticket.message = discriminant;
        }
        self
    }

    /// For `pre_start`; makes the actor known to the simulation.
    pub fn pre_start<A: Actor>(myself: &ActorRef<A::Msg>) -> Self {
        Self::starting(myself, type_name::<A>())
    }

    fn starting(actor: &ActorCell, type_name: &'static str) -> Self {
        engine::gating(|engine| {
            let task = engine.actor_starting(actor, type_name);
            Self::new(task, StepKind::PreStart)
        })
        .unwrap_or(Self::OPEN)
    }

    /// For a callback of an actor that may be known. All of it that does not depend on the
    /// type of the actor is compiled here, once.
    fn known(
        actor: &ActorCell,
        type_name: &'static str,
        tell: &mut dyn FnMut(&dyn Engine, TaskId) -> Self,
    ) -> Self {
        engine::gating(|engine| {
            let task = engine.actor_task(actor, type_name);
            tell(engine, task)
        })
        .unwrap_or(Self::OPEN)
    }

    /// For `post_start`; `state` is asked for only when states are recorded.
    pub fn post_start<A: Actor>(
        myself: &ActorRef<A::Msg>,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        Self::of::<A>(myself, StepKind::PostStart, state)
    }

    /// For `post_stop`; `state` is asked for only when states are recorded.
    pub fn post_stop<A: Actor>(
        myself: &ActorRef<A::Msg>,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        Self::of::<A>(myself, StepKind::PostStop, state)
    }

    /// For `handle`; `text` is asked for only when the story is recorded, `copy` only when
    /// a fault sends the message once more, `state` only when states are recorded.
    #[inline]
    pub fn handle<A: Actor>(
        myself: &ActorRef<A::Msg>,
        message: &A::Msg,
        text: impl FnOnce(&A::Msg) -> Option<String>,
        copy: impl FnOnce(&A::Msg) -> Option<A::Msg>,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        let (mut text, mut copy, mut state) = (Some(text), Some(copy), Some(state));
        Self::known(myself, type_name::<A>(), &mut |engine, task| {
            if engine.copies_message(task)
                && let Some(copy) = copy.take().and_then(|copy| copy(message))
            {
                keep_copy(engine, task, myself.clone(), copy);
            }
            let wants = engine.wants();
            if wants.messages {
                let text = text.take().and_then(|text| text(message));
                engine.message_text(task, text.unwrap_or_else(short_name::<A::Msg>));
            }
            if wants.states {
                tell_state(engine, task, &mut state);
            }
            Self::new(task, StepKind::Handle).with_message(discriminant_of(message))
        })
    }

    /// For `handle_supervisor_evt`; `state` is asked for only when states are recorded.
    pub fn supervision<A: Actor>(
        myself: &ActorRef<A::Msg>,
        event: &SupervisionEvent,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        let mut state = Some(state);
        Self::known(myself, type_name::<A>(), &mut |engine, task| {
            engine.supervision(task, event);
            if engine.wants().states {
                tell_state(engine, task, &mut state);
            }
            Self::new(task, StepKind::Supervision).with_message(discriminant_of(event))
        })
    }

    fn of<A: Actor>(
        myself: &ActorRef<A::Msg>,
        part: StepKind,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        let mut state = Some(state);
        Self::known(myself, type_name::<A>(), &mut |engine, task| {
            if engine.wants().states {
                tell_state(engine, task, &mut state);
            }
            Self::new(task, part)
        })
    }

    /// Put an actor's callback behind this gate.
    #[inline]
    pub fn run<T: 'static, F>(self, body: F) -> GatedFuture<F>
    where
        F: Future<Output = CallbackResult<T>>,
    {
        GatedFuture {
            body,
            ticket: self.0,
        }
    }
}

/// Keep a message to be sent once more.
#[cold]
fn keep_copy<M: ractor::Message>(engine: &dyn Engine, task: TaskId, actor: ActorRef<M>, copy: M) {
    let send = move || {
        // One that has ended gets no message.
        let _ = actor.send_message(copy);
    };
    engine.keep_copy(task, Box::new(send));
}

fn tell_state(
    engine: &dyn Engine,
    task: TaskId,
    state: &mut Option<impl FnOnce() -> Option<String>>,
) {
    if let Some(text) = state.take().and_then(|state| state()) {
        engine.state_text(task, text);
    }
}

/// Put a task that is no actor behind a gate.
pub(crate) fn task<F: Future>(name: &str, body: F) -> TaskGate<F> {
    gate_task(task_starting(name), body)
}

fn task_starting(name: &str) -> Option<TaskId> {
    engine::gating(|engine| engine.task_starting(name))
}

/// The task was spawned here, and has this handle.
pub(crate) fn task_spawned(
    task: TaskId,
    place: &'static Location<'static>,
    handle: &dyn Fn() -> AbortHandle,
) {
    engine::gating(|engine| engine.spawned_at(task, place));
    engine::gating(|engine| engine.task_spawned(task, handle));
}

/// Put a task behind a gate whose engine knows it already.
pub fn existing_task<F: Future>(task: TaskId, body: F) -> TaskGate<F> {
    gate_task(Some(task), body)
}

fn gate_task<F: Future>(id: Option<TaskId>, body: F) -> TaskGate<F> {
    TaskGate {
        body,
        ticket: id.and_then(|id| Gate::new(id, StepKind::Task).0),
        _presence: Presence(id),
    }
}

/// Tells the engine when a task is gone.
struct Presence(Option<TaskId>);

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            engine::gating(|engine| engine.task_gone(id));
        }
    }
}

pin_project! {
    /// A gated task that is no actor.
    #[must_use = "futures do nothing unless polled"]
    pub struct TaskGate<F: Future> {
        #[pin]
        body: F,
        ticket: Option<Ticket>,
        _presence: Presence,
    }

    impl<F: Future> PinnedDrop for TaskGate<F> {
        fn drop(this: Pin<&mut Self>) {
            cancel(this.project().ticket);
        }
    }
}

impl<F: Future> TaskGate<F> {
    /// The number of the task, if an engine has given it one.
    pub(crate) fn id(&self) -> Option<TaskId> {
        self._presence.0
    }
}

impl<F: Future> std::fmt::Debug for TaskGate<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskGate")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}

impl<F: Future> Future for TaskGate<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.ticket.is_none() {
            return this.body.poll(context);
        }
        let mut code = TaskBody {
            body: this.body,
            output: None,
        };
        poll_gated(&mut code, this.ticket, context);
        code.output.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The code of a task that is no actor, and what it has returned.
struct TaskBody<'a, F: Future> {
    body: Pin<&'a mut F>,
    output: Option<F::Output>,
}

impl<F: Future> Code for TaskBody<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if let Poll::Ready(output) = self.body.as_mut().poll(context) {
            self.output = Some(output);
        }
        self.output.is_some()
    }
}

pin_project! {
    /// A callback behind a gate. Every actor has room for one in its task, so it is kept small.
    #[must_use = "futures do nothing unless polled"]
    pub struct GatedFuture<F: Future> {
        #[pin]
        body: F,
        ticket: Option<Ticket>,
    }

    impl<F: Future> PinnedDrop for GatedFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            cancel(this.project().ticket);
        }
    }
}

impl<F: Future> std::fmt::Debug for GatedFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gated")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}

impl<T: 'static, F: Future<Output = CallbackResult<T>>> Future for GatedFuture<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(ticket) = this.ticket else {
            return this.body.poll(context);
        };
        let is_held = ticket.held;
        let mut code = Callback {
            body: this.body,
            output: None,
        };
        if is_held {
            let_go(&mut code, this.ticket, context);
        } else {
            poll_gated(&mut code, this.ticket, context);
        }
        code.output.map_or(Poll::Pending, Poll::Ready)
    }
}

/// The code of an actor's callback, and what it has returned.
struct Callback<'a, F: Future> {
    body: Pin<&'a mut F>,
    output: Option<F::Output>,
}

impl<T: 'static, F: Future<Output = CallbackResult<T>>> Code for Callback<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if let Poll::Ready(output) = self.body.as_mut().poll(context) {
            self.output = Some(output);
        }
        self.output.is_some()
    }

    fn failure(&self) -> Option<String> {
        failure(&self.output)
    }

    fn inject(&mut self, turn: Turn) -> bool {
        self.output = injected(turn);
        self.output.is_some()
    }

    fn take_output(&mut self) -> Option<Box<dyn Any>> {
        let output = self.output.take()?;
        Some(Box::new(output))
    }

    fn return_output(&mut self, output: Box<dyn Any>) {
        self.output = output.downcast().ok().map(|output| *output);
    }
}

fn failure<T>(output: &Option<CallbackResult<T>>) -> Option<String> {
    let error = output.as_ref()?.as_ref().err()?;
    Some(error.to_string())
}

/// What a callback returns instead of running, because of a fault.
#[cold]
fn injected<T: 'static>(turn: Turn) -> Option<CallbackResult<T>> {
    match turn {
        Turn::Fail => Some(Err(String::from("injected failure").into())),
        // Only of a callback that gives nothing.
        Turn::Lose => {
            let nothing: Box<dyn Any> = Box::new(());
            nothing.downcast().ok().map(|nothing| Ok(*nothing))
        }
        _ => None,
    }
}

/// The code behind a gate is dropped before it has returned, if it has a ticket.
fn cancel(ticket: &mut Option<Ticket>) {
    if let Some(mut ticket) = ticket.take() {
        engine::gating(|engine| engine.cancelled(&mut ticket));
    }
}
