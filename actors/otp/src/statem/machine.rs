//! What a state machine is: its events, its callbacks, and what these are given.
//!
//! One file, since each of these types names the others.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Display};
use std::future::Future;
use std::time::Duration;

use ractor::{ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::effects::{Effects, TimerChange, TimerKey};
use super::table::Table;

/// An event of a state machine: `EventContent` in `gen_statem`(3erl). Calls, casts, timeouts
/// and inserted events differ by what they are, not by an event type.
pub trait Event: Debug + Send + 'static {
    /// What rules of the machine's [`Table`] are made for: an event without its values.
    /// Diagrams and reports list the kinds in their order, by their `Display`.
    type Kind: Copy + Ord + Debug + Display + Send + Sync + 'static;

    /// Its kind.
    fn kind(&self) -> Self::Kind;
}

/// The kind of a machine's events.
pub type KindOf<M> = <<M as StateMachine>::Event as Event>::Kind;

/// Where a handler leads.
///
/// After `gen_statem`(3erl), `event_handler_result()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<S> {
    /// The state stays. Postponed events stay postponed. `keep_state`.
    Keep,
    /// The state stays, and its enter action runs again. `repeat_state`.
    Repeat,
    /// To this state. To the same one is like [`Next::Keep`]. `next_state`.
    Goto(S),
    /// The machine stops, for this reason; none is a normal end. `stop`, and after an
    /// answer through the event's reply port `stop_and_reply`.
    Stop(Option<String>),
}

/// Why an event is not handled. In `gen_statem` the first two are up to the code; at a
/// stop, callers there learn its reason by their monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discard<S> {
    /// The state says to ignore it.
    Ignored(S),
    /// The state does not declare it.
    Undeclared(S),
    /// The machine stops while the event waits; the reason, if there is one.
    Stopped(Option<String>),
}

/// A state machine; [`Statem`](super::Statem) makes it an actor.
///
/// After `gen_statem`(3erl), the callbacks of the mode `handle_event_function` with
/// `state_enter`.
pub trait StateMachine: Sized + Send + Sync + 'static {
    /// Its states.
    type State: Copy + Ord + Debug + Display + Send + Sync + 'static;
    /// Its events, from outside, inserted and timed out.
    type Event: Event;
    /// The names of its named timeouts; [`Infallible`](std::convert::Infallible) for a
    /// machine without any.
    type Timeout: Copy + Ord + Send + Sync + 'static;
    /// What it knows apart from its state.
    type Data: Send + 'static;
    /// What it starts with.
    type Arguments: Send + 'static;

    /// The states' events and transitions.
    fn table() -> Table<Self::State, KindOf<Self>>;

    /// The first state and data. It may set timeouts and insert events: `Module:init/1`.
    fn init(
        &self,
        arguments: Self::Arguments,
        context: &mut Context<'_, Self>,
    ) -> impl Future<Output = Result<(Self::State, Self::Data), ActorProcessingErr>> + Send;

    /// A state has been entered: from another one, or again, or at the start (from none).
    /// `state_enter_result()`.
    fn enter(
        &self,
        from: Option<Self::State>,
        state: Self::State,
        data: &mut Self::Data,
        context: &mut EnterContext<'_, Self>,
    ) -> impl Future<Output = Result<(), ActorProcessingErr>> + Send {
        let _ = (from, state, data, context);
        async { Ok(()) }
    }

    /// Handle an event that this state declares: `Module:handle_event/4`.
    fn handle(
        &self,
        state: Self::State,
        event: Self::Event,
        data: &mut Self::Data,
        context: &mut Context<'_, Self>,
    ) -> impl Future<Output = Result<Next<Self::State>, ActorProcessingErr>> + Send;

    /// An event is not handled. Callers who wait for an answer learn of it here,
    /// or by their reply port being dropped.
    fn discard(&self, event: Self::Event, why: Discard<Self::State>) {
        let _ = (event, why);
    }

    /// The event that a child's start or end is to this machine; by default no event.
    fn supervision(&self, event: SupervisionEvent) -> Option<Self::Event> {
        let _ = event;
        None
    }
}

/// What a state machine's actor is sent.
pub enum StatemMessage<M: StateMachine> {
    /// An event.
    Event(M::Event),
    /// From the machine to itself: the timeout with this number has come.
    Timeout(u64),
    /// Describe the machine.
    Inspect(RpcReplyPort<InspectionOf<M>>),
}

impl<M: StateMachine> fmt::Debug for StatemMessage<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => event.fmt(f),
            Self::Timeout(_) => f.write_str("Timeout"),
            Self::Inspect(_) => f.write_str("Inspect"),
        }
    }
}

/// The state of a machine, and what it has met.
#[derive(Clone, Debug)]
pub struct Inspection<S, K> {
    /// Its state.
    pub state: S,
    /// Events that wait for a change of state.
    pub postponed: usize,
    /// How often each state has met each event, declared or not.
    pub met: BTreeMap<(S, K), u64>,
    /// Events that their state did not declare.
    pub undeclared: u64,
}

/// The [`Inspection`] of a machine.
pub type InspectionOf<M> = Inspection<<M as StateMachine>::State, KindOf<M>>;

/// Given to handlers of events: the `action()`s of `gen_statem`(3erl). Replies go out at
/// once, by the event's reply port; what is done here takes effect when the handler
/// has returned.
pub struct Context<'a, M: StateMachine> {
    pub(super) myself: &'a ActorRef<StatemMessage<M>>,
    pub(super) effects: Effects<M::Timeout, M::Event>,
}

/// Given to enter actions: the `enter_action()`s of `gen_statem`(3erl), which leave out
/// `postpone` and `next_event`.
pub struct EnterContext<'a, M: StateMachine> {
    pub(super) myself: &'a ActorRef<StatemMessage<M>>,
    pub(super) effects: Effects<M::Timeout, M::Event>,
}

impl<M: StateMachine> Context<'_, M> {
    /// The machine's actor.
    #[must_use]
    pub fn myself(&self) -> &ActorRef<StatemMessage<M>> {
        self.myself
    }

    /// Keep the event that is being handled until the state has changed: `postpone()`.
    pub fn postpone(&mut self, event: M::Event) {
        self.effects.postponed = Some(event);
    }

    /// Insert an event, handled before those that wait in the mailbox. Several
    /// are handled in the order of inserting. OTP's `next_event`.
    pub fn insert(&mut self, event: M::Event) {
        self.effects.inserted.push(event);
    }
}

impl<M: StateMachine> EnterContext<'_, M> {
    /// The machine's actor.
    #[must_use]
    pub fn myself(&self) -> &ActorRef<StatemMessage<M>> {
        self.myself
    }

    /// Stop the machine, for this reason; none is a normal end.
    pub fn stop(&mut self, reason: Option<String>) {
        self.effects.stop = Some(reason);
    }
}

/// Timeouts, for handlers and enter actions alike.
macro_rules! timeouts {
    ($context:ident) => {
        impl<M: StateMachine> $context<'_, M> {
            /// Set the state timeout: this event comes unless the state changes before.
            /// `{state_timeout, Time, EventContent}`.
            pub fn state_timeout(&mut self, after: Duration, event: M::Event) {
                self.change(TimerChange::Set(TimerKey::State, after, event));
            }

            /// Set the event timeout: this event comes unless any other comes before.
            /// `{timeout, Time, EventContent}`.
            pub fn event_timeout(&mut self, after: Duration, event: M::Event) {
                self.change(TimerChange::Set(TimerKey::Event, after, event));
            }

            /// Set a named timeout: this event comes unless it is cancelled or set again.
            /// `{{timeout, Name}, Time, EventContent}`.
            pub fn timeout(&mut self, name: M::Timeout, after: Duration, event: M::Event) {
                self.change(TimerChange::Set(TimerKey::Named(name), after, event));
            }

            /// Let the state timeout bring this event instead, when it comes; at once if
            /// it is not set. `{state_timeout, update, EventContent}`.
            pub fn update_state_timeout(&mut self, event: M::Event) {
                self.change(TimerChange::Update(TimerKey::State, event));
            }

            /// Let a named timeout bring this event instead, when it comes; at once if it
            /// is not set. `{{timeout, Name}, update, EventContent}`.
            pub fn update_timeout(&mut self, name: M::Timeout, event: M::Event) {
                self.change(TimerChange::Update(TimerKey::Named(name), event));
            }

            /// Cancel the state timeout. `{state_timeout, cancel}`.
            pub fn cancel_state_timeout(&mut self) {
                self.change(TimerChange::Cancel(TimerKey::State));
            }

            /// Cancel the event timeout that this handler or enter action follows.
            /// `{timeout, cancel}`.
            pub fn cancel_event_timeout(&mut self) {
                self.change(TimerChange::Cancel(TimerKey::Event));
            }

            /// Cancel a named timeout. `{{timeout, Name}, cancel}`.
            pub fn cancel_timeout(&mut self, name: M::Timeout) {
                self.change(TimerChange::Cancel(TimerKey::Named(name)));
            }

            fn change(&mut self, change: TimerChange<M::Timeout, M::Event>) {
                self.effects.timers.push(change);
            }
        }
    };
}

timeouts!(Context);
timeouts!(EnterContext);

impl<M: StateMachine> fmt::Debug for Context<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl<M: StateMachine> fmt::Debug for EnterContext<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterContext").finish_non_exhaustive()
    }
}
