//! The gate: every poll of the code behind it waits for the scheduler's turn.
//!
//! Outside a simulation a gate is one thread-local read when it is made and one
//! comparison each time it is polled.

mod simulated;
mod texts;
mod wrapped;

use std::any::{Any, type_name};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::engine::{self, Engine, StepEnd, StepKind, TaskId, Ticket, Turn};

use self::texts::{discriminant_of, short_name};

pub use self::simulated::Simulated;
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
        engine::gating(|engine| {
            let task = engine.actor_starting(myself, type_name::<A>());
            Self::new(task, StepKind::PreStart)
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
        engine::gating(|engine| {
            let task = engine.actor_task(myself, type_name::<A>());
            if engine.copies_message(task)
                && let Some(copy) = copy(message)
            {
                keep_copy(engine, task, myself.clone(), copy);
            }
            let wants = engine.wants();
            if wants.messages {
                let text = text(message).unwrap_or_else(short_name::<A::Msg>);
                engine.message_text(task, text);
            }
            if wants.states {
                tell_state(engine, task, state);
            }
            Self::new(task, StepKind::Handle).with_message(discriminant_of(message))
        })
        .unwrap_or(Self::OPEN)
    }

    /// For `handle_supervisor_evt`; `state` is asked for only when states are recorded.
    pub fn supervision<A: Actor>(
        myself: &ActorRef<A::Msg>,
        event: &SupervisionEvent,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        engine::gating(|engine| {
            let task = engine.actor_task(myself, type_name::<A>());
            engine.supervision(task, event);
            if engine.wants().states {
                tell_state(engine, task, state);
            }
            Self::new(task, StepKind::Supervision).with_message(discriminant_of(event))
        })
        .unwrap_or(Self::OPEN)
    }

    fn of<A: Actor>(
        myself: &ActorRef<A::Msg>,
        part: StepKind,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        engine::gating(|engine| {
            let task = engine.actor_task(myself, type_name::<A>());
            if engine.wants().states {
                tell_state(engine, task, state);
            }
            Self::new(task, part)
        })
        .unwrap_or(Self::OPEN)
    }

    /// Put an actor's callback behind this gate.
    #[inline]
    pub fn run<T: 'static, F>(self, body: F) -> Gated<F>
    where
        F: Future<Output = CallbackResult<T>>,
    {
        Gated {
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

fn tell_state(engine: &dyn Engine, task: TaskId, state: impl FnOnce() -> Option<String>) {
    if let Some(text) = state() {
        engine.state_text(task, text);
    }
}

/// Put a task that is no actor behind a gate.
pub(crate) fn task<F: Future>(name: &str, body: F) -> TaskGate<F> {
    gate_task(engine::gating(|engine| engine.task_starting(name)), body)
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
        // What is no actor has nothing to hold it back from.
        poll_gated(
            this.body,
            this.ticket,
            context,
            |_| None,
            |_| None,
            |_, _, output| Poll::Ready(output),
        )
    }
}

pin_project! {
    /// A callback behind a gate. Every actor has room for one in its task, so it is kept small.
    #[must_use = "futures do nothing unless polled"]
    pub struct Gated<F: Future> {
        #[pin]
        body: F,
        ticket: Option<Ticket>,
    }

    impl<F: Future> PinnedDrop for Gated<F> {
        fn drop(this: Pin<&mut Self>) {
            cancel(this.project().ticket);
        }
    }
}

impl<F: Future> std::fmt::Debug for Gated<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gated")
            .field("ticket", &self.ticket)
            .finish_non_exhaustive()
    }
}

impl<T: 'static, F: Future<Output = CallbackResult<T>>> Future for Gated<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.ticket.as_ref().is_some_and(|ticket| ticket.held) {
            return let_go(this.ticket, context);
        }
        let failure = |result: &F::Output| result.as_ref().err().map(ToString::to_string);
        poll_gated(this.body, this.ticket, context, failure, injected, hold)
    }
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

/// Let the engine keep what a callback returned: ractor takes the actor's next message
/// only when it has that.
#[cold]
fn hold<O: 'static>(ticket: &mut Ticket, context: &mut Context<'_>, output: O) -> Poll<O> {
    ticket.held = true;
    let output = Box::new(output);
    engine::gating(|engine| engine.hold(ticket.task, context.waker(), output));
    Poll::Pending
}

#[cold]
fn let_go<O: 'static>(ticket: &mut Option<Ticket>, context: &mut Context<'_>) -> Poll<O> {
    let Some(held) = ticket else {
        return Poll::Pending;
    };
    let kept = engine::gating(|engine| engine.let_go(held.task, context.waker())).flatten();
    match kept.and_then(|kept| kept.downcast().ok()) {
        None => Poll::Pending,
        Some(output) => {
            *ticket = None;
            Poll::Ready(*output)
        }
    }
}

/// The code behind a gate is dropped before it has returned, if it has a ticket.
fn cancel(ticket: &mut Option<Ticket>) {
    if let Some(mut ticket) = ticket.take() {
        engine::gating(|engine| engine.cancelled(&mut ticket));
    }
}

/// Poll code behind a gate; its ticket, if it has one, goes when it returns.
#[inline]
fn poll_gated<F: Future>(
    body: Pin<&mut F>,
    ticket: &mut Option<Ticket>,
    context: &mut Context<'_>,
    failure: impl FnOnce(&F::Output) -> Option<String>,
    injected: impl FnOnce(Turn) -> Option<F::Output>,
    hold: impl FnOnce(&mut Ticket, &mut Context<'_>, F::Output) -> Poll<F::Output>,
) -> Poll<F::Output> {
    let Some(open) = ticket else {
        return body.poll(context);
    };
    let turn = engine::gating(|engine| engine.poll(open, context.waker())).unwrap_or(Turn::Pass);
    match turn {
        Turn::Wait => Poll::Pending,
        Turn::Pass | Turn::Run | Turn::Look if open.stopped => Poll::Pending,
        Turn::Look => look(body, open, context),
        Turn::Pass => {
            let Some(polled) = poll_within(body, open, context) else {
                return Poll::Pending;
            };
            if let Poll::Ready(output) = &polled {
                if open.part == StepKind::PreStart && failure(output).is_none() {
                    let task = open.task;
                    engine::gating(|engine| engine.started_within(task));
                }
                *ticket = None;
            }
            polled
        }
        Turn::Run | Turn::Panic | Turn::Fail | Turn::Lose => {
            let stepped = catch_unwind(AssertUnwindSafe(|| {
                if turn == Turn::Panic {
                    // Unlike `panic!` this leaves stderr alone: the fault was asked for.
                    resume_unwind(Box::new(String::from("injected panic")));
                }
                if turn != Turn::Run
                    && let Some(output) = injected(turn)
                {
                    return Poll::Ready(output);
                }
                body.poll(context)
            }));
            open.stopped = matches!(&stepped, Err(payload) if payload.is::<Stopped>());
            let end = match &stepped {
                Ok(Poll::Pending) => StepEnd::Pending,
                Err(_) if open.stopped => StepEnd::Pending,
                Ok(Poll::Ready(output)) => {
                    failure(output).map_or(StepEnd::Returned, StepEnd::Failed)
                }
                Err(payload) => StepEnd::Panicked(panic_text(payload.as_ref())),
            };
            open.resumed = true;
            let over = !matches!(end, StepEnd::Pending);
            let holds = engine::gating(|engine| engine.end_step(open, end)).unwrap_or(false);
            match stepped {
                Ok(Poll::Ready(output)) if holds => return hold(open, context, output),
                Err(_) if open.stopped => return Poll::Pending,
                _ if over => *ticket = None,
                _ => {}
            }
            stepped.unwrap_or_else(|payload| resume_unwind(payload))
        }
    }
}

/// Poll code to see what it awaits. What it does without having been woken is no part of the
/// run, so code that resumes by that is stopped.
#[cold]
fn look<F: Future>(
    body: Pin<&mut F>,
    ticket: &mut Ticket,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    let waker = engine::gating(|engine| engine.look_waker(context.waker()));
    if let Some(waker) = waker {
        let mut context = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| body.poll(&mut context)));
        engine::gating(Engine::looked);
        ticket.stopped = !matches!(polled, Ok(Poll::Pending));
    }
    Poll::Pending
}

/// Poll code as a part of the step that runs; `None` if a violated check has ended it.
fn poll_within<F: Future>(
    body: Pin<&mut F>,
    ticket: &mut Ticket,
    context: &mut Context<'_>,
) -> Option<Poll<F::Output>> {
    // What a `pre_start` does is its actor's, not that of who spawns it.
    let actor = Some(ticket.task).filter(|_| ticket.part == StepKind::PreStart);
    let outer = actor.and_then(|_| engine::gating(|engine| engine.within(actor)).flatten());
    let polled = catch_unwind(AssertUnwindSafe(|| body.poll(context)));
    if actor.is_some() {
        engine::gating(|engine| engine.within(outer));
    }
    match polled {
        Ok(polled) => Some(polled),
        Err(payload) if payload.is::<Stopped>() => {
            ticket.stopped = true;
            None
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// What unwinds from a violated check to the gate of its step.
struct Stopped;

/// End the step that runs if a violated check has ended the run: what it would do after
/// that is no part of the run, and a loop until the check holds would not end.
///
/// Code that unwinds already continues, since a second panic would abort the process.
pub(crate) fn stop_step() {
    if cfg!(panic = "unwind")
        && !std::thread::panicking()
        && engine::with(Engine::ends_step) == Some(true)
    {
        // Unlike `panic!` this calls no panic hook.
        resume_unwind(Box::new(Stopped));
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else {
        String::from("a panic whose payload is not text")
    }
}
