//! The gate: every poll of the code behind it waits for the scheduler's turn.
//!
//! Outside a simulation a gate is one thread-local read when it is made and one
//! comparison each time it is polled.

use std::any::{Any, type_name};
use std::fmt::Write as _;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use ractor::{Actor, ActorProcessingErr, ActorRef, Message, SupervisionEvent};

use crate::engine::{self, Engine, Part, StepEnd, TaskId, Ticket, Turn};

type CallbackResult<T> = Result<T, ActorProcessingErr>;

/// A gate for one callback of an actor: made by [`simulated`](macro@crate::simulated),
/// which then puts the callback's body behind it.
#[derive(Debug)]
pub struct Gate(Option<Ticket>);

impl Gate {
    /// For code outside any simulation.
    const OPEN: Self = Self(None);

    fn new(task: TaskId, part: Part) -> Self {
        Self(Some(Ticket {
            task,
            part,
            message: 0,
            resumed: false,
            waiting: false,
            held: false,
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
            Self::new(task, Part::PreStart)
        })
        .unwrap_or(Self::OPEN)
    }

    /// For `post_start`; `state` is asked for only when states are recorded.
    pub fn post_start<A: Actor>(
        myself: &ActorRef<A::Msg>,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        Self::of::<A>(myself, Part::PostStart, state)
    }

    /// For `post_stop`; `state` is asked for only when states are recorded.
    pub fn post_stop<A: Actor>(
        myself: &ActorRef<A::Msg>,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        Self::of::<A>(myself, Part::PostStop, state)
    }

    /// For `handle`; `text` is asked for only when the story is recorded, `state` only
    /// when states are.
    #[inline]
    pub fn handle<A: Actor>(
        myself: &ActorRef<A::Msg>,
        message: &A::Msg,
        text: impl FnOnce(&A::Msg) -> Option<String>,
        state: impl FnOnce() -> Option<String>,
    ) -> Self {
        engine::gating(|engine| {
            let task = engine.actor_task(myself, type_name::<A>());
            let wants = engine.wants();
            if wants.messages {
                let text = text(message).unwrap_or_else(short_name::<A::Msg>);
                engine.message_text(task, text);
            }
            if wants.states {
                tell_state(engine, task, state);
            }
            Self::new(task, Part::Handle).with_message(discriminant_of(message))
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
            Self::new(task, Part::Supervision).with_message(discriminant_of(event))
        })
        .unwrap_or(Self::OPEN)
    }

    fn of<A: Actor>(
        myself: &ActorRef<A::Msg>,
        part: Part,
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
        ticket: id.and_then(|id| Gate::new(id, Part::Task).0),
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
        Turn::Pass => {
            let polled = body.poll(context);
            if polled.is_ready() {
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
            let end = match &stepped {
                Ok(Poll::Pending) => StepEnd::Pending,
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
                _ if over => *ticket = None,
                _ => {}
            }
            stepped.unwrap_or_else(|payload| resume_unwind(payload))
        }
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

fn short_name<T>() -> String {
    let full = type_name::<T>();
    let head = full.split('<').next().unwrap_or(full);
    head.rsplit("::").next().unwrap_or(head).to_owned()
}

/// The number of an enum value's variant.
///
/// `Discriminant` shows its number only to a `Hasher`, so this one keeps what it is shown.
#[inline]
fn discriminant_of<T>(value: &T) -> u16 {
    struct Keep(u64);
    impl Hasher for Keep {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 << 8) | u64::from(*byte);
            }
        }
        fn write_isize(&mut self, number: isize) {
            self.0 = number.cast_unsigned() as u64;
        }
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }
    let mut keep = Keep(0);
    discriminant(value).hash(&mut keep);
    (keep.finish() & 0xffff) as u16
}

/// Gives the text of a message where its type is `Debug`, for code that
/// [`simulated`](macro@crate::simulated) generates.
///
/// Method resolution prefers the inherent method, which exists only where
/// `M: Debug`, and falls back to the trait's.
#[doc(hidden)]
#[derive(Debug)]
pub struct Probe<'a, M>(pub &'a M);

impl<M: std::fmt::Debug> Probe<'_, M> {
    #[doc(hidden)]
    pub fn text(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }

    #[doc(hidden)]
    pub fn state(&self) -> Option<String> {
        Some(state_text(self.0))
    }
}

#[doc(hidden)]
pub trait ProbeFallback {
    #[doc(hidden)]
    fn text(&self) -> Option<String>;
    #[doc(hidden)]
    fn state(&self) -> Option<String>;
}

impl<M> ProbeFallback for Probe<'_, M> {
    fn text(&self) -> Option<String> {
        None
    }

    fn state(&self) -> Option<String> {
        None
    }
}

/// A state as text, on several lines so that two of them can be compared line by line.
///
/// However large it is, no more than `STATE_MAX` bytes are made of it.
fn state_text(state: &impl std::fmt::Debug) -> String {
    let mut text = Bounded(String::new());
    // A panic in here would be one of the actor's, that only recording brings about.
    let made = catch_unwind(AssertUnwindSafe(|| write!(text, "{state:#?}")));
    match made {
        Err(_) => return String::from("(its `Debug` panics)"),
        Ok(Err(_)) => text.0.push('…'),
        Ok(Ok(())) => {}
    }
    text.0
}

/// Longest text of a state as it is made; what engines keep of it is shorter.
const STATE_MAX: usize = 256 << 10;

/// Refuses what is too much, which ends the formatting.
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        if self.0.len() + piece.len() > STATE_MAX {
            return Err(std::fmt::Error);
        }
        self.0.push_str(piece);
        Ok(())
    }
}

/// Gates an actor that cannot carry the [`simulated`](macro@crate::simulated)
/// attribute, one from another crate for example.
///
/// It has the same messages, state and arguments as the actor inside, and runs
/// it unchanged. Actors that the inner actor spawns by itself are not gated by
/// this: a simulation reports them.
pub struct Simulated<A: Actor> {
    actor: A,
    /// One pointer, not two: every actor has room for it.
    texts: fn() -> Texts<A>,
}

/// How texts are made of an actor's messages and state.
struct Texts<A: Actor> {
    message: fn(&A::Msg) -> Option<String>,
    state: fn(&A::State) -> Option<String>,
}

impl<A: Actor> Simulated<A> {
    /// Wrap an actor; its messages appear in stories under their type's name.
    pub fn new(actor: A) -> Self {
        Self {
            actor,
            texts: || Texts {
                message: |_| None,
                state: |_| None,
            },
        }
    }

    /// Wrap an actor whose messages are `Debug`; they appear in stories as such.
    pub fn with_debug(actor: A) -> Self
    where
        A::Msg: std::fmt::Debug,
    {
        Self {
            actor,
            texts: || Texts {
                message: |message| Some(format!("{message:?}")),
                state: |_| None,
            },
        }
    }

    /// Wrap an actor whose messages and state are `Debug`, so that its state can be
    /// recorded as well.
    pub fn with_debug_state(actor: A) -> Self
    where
        A::Msg: std::fmt::Debug,
        A::State: std::fmt::Debug,
    {
        Self {
            actor,
            texts: || Texts {
                message: |message| Some(format!("{message:?}")),
                state: |state| Some(state_text(state)),
            },
        }
    }
}

impl<A: Actor + std::fmt::Debug> std::fmt::Debug for Simulated<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Simulated").field(&self.actor).finish()
    }
}

impl<A: Actor> Actor for Simulated<A>
where
    A::Msg: Message,
{
    type Msg = A::Msg;
    type State = A::State;
    type Arguments = A::Arguments;

    // Not `async fn`, which would hold the parameters a second time.

    fn pre_start(
        &self,
        myself: ActorRef<A::Msg>,
        args: A::Arguments,
    ) -> impl Future<Output = CallbackResult<A::State>> + Send {
        Gate::pre_start::<A>(&myself).run(self.actor.pre_start(myself, args))
    }

    fn post_start(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut A::State,
    ) -> impl Future<Output = CallbackResult<()>> + Send {
        Gate::post_start::<A>(&myself, || ((self.texts)().state)(state))
            .run(self.actor.post_start(myself, state))
    }

    fn handle(
        &self,
        myself: ActorRef<A::Msg>,
        message: A::Msg,
        state: &mut A::State,
    ) -> impl Future<Output = CallbackResult<()>> + Send {
        let text = |message: &A::Msg| ((self.texts)().message)(message);
        Gate::handle::<A>(&myself, &message, text, || ((self.texts)().state)(state))
            .run(self.actor.handle(myself, message, state))
    }

    fn handle_supervisor_evt(
        &self,
        myself: ActorRef<A::Msg>,
        event: SupervisionEvent,
        state: &mut A::State,
    ) -> impl Future<Output = CallbackResult<()>> + Send {
        Gate::supervision::<A>(&myself, &event, || ((self.texts)().state)(state))
            .run(self.actor.handle_supervisor_evt(myself, event, state))
    }

    fn post_stop(
        &self,
        myself: ActorRef<A::Msg>,
        state: &mut A::State,
    ) -> impl Future<Output = CallbackResult<()>> + Send {
        Gate::post_stop::<A>(&myself, || ((self.texts)().state)(state))
            .run(self.actor.post_stop(myself, state))
    }
}
