//! State machines: events are handled by state, postponed, timed out.
//!
//! After OTP's `gen_statem` (its manual page in section 3erl, callback mode
//! `handle_event_function` with state enter calls). Its rules hold here:
//!
//! - After a transition come, in this order: events inserted by the handler; the
//!   postponed ones, oldest first, if the state changed; what was inserted before;
//!   timeouts of zero length; the mailbox.
//! - Postponed events are retried when the state changes, not when it is kept or
//!   repeated, and may be postponed again.
//! - The state timeout ends with its state, the event timeout with any event,
//!   named timeouts by themselves only. Setting one again takes the place of the
//!   one before. A timeout of zero length never goes through the mailbox.
//! - Enter actions run on a change, on a repeat and at the start, before any
//!   event. They may set timeouts; they cannot postpone, insert or change state.
//!
//! What `gen_statem` leaves to the code is declared here, in a [`Table`]: which
//! events a state handles, and where they may lead. An event that a state does not
//! declare is reported and discarded; a transition that is not declared is a bug
//! and fails the actor. The table draws itself as a diagram.
//!
//! ```
//! use ractor::ActorProcessingErr;
//! use retake_actors::statem::{Context, Event, Next, StateMachine, StatemRef, Table};
//!
//! /// A door that closes by itself.
//! struct Door;
//!
//! #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
//! enum State { Open, Closed }
//!
//! impl std::fmt::Display for State {
//!     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
//!         f.write_str(match self { Self::Open => "open", Self::Closed => "closed" })
//!     }
//! }
//!
//! #[derive(Debug)]
//! enum DoorEvent { Push, Spring }
//!
//! impl Event for DoorEvent {
//!     fn name(&self) -> &'static str {
//!         match self { Self::Push => "push", Self::Spring => "spring" }
//!     }
//! }
//!
//! impl StateMachine for Door {
//!     type State = State;
//!     type Event = DoorEvent;
//!     type Data = ();
//!     type Arguments = ();
//!
//!     fn table() -> Table<State> {
//!         Table::new([State::Closed])
//!             .on(State::Closed, "push", [State::Open])
//!             .on(State::Open, "spring", [State::Closed])
//!             .ignore(State::Open, "push")
//!     }
//!
//!     async fn init(&self, _: (), _: &mut Context<'_, Self>) -> Result<(State, ()), ActorProcessingErr> {
//!         Ok((State::Closed, ()))
//!     }
//!
//!     async fn handle(
//!         &self, _: State, event: DoorEvent, _: &mut (), context: &mut Context<'_, Self>,
//!     ) -> Result<Next<State>, ActorProcessingErr> {
//!         Ok(match event {
//!             DoorEvent::Push => {
//!                 context.state_timeout(std::time::Duration::from_millis(10), DoorEvent::Spring);
//!                 Next::Goto(State::Open)
//!             }
//!             DoorEvent::Spring => Next::Goto(State::Closed),
//!         })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let door = StatemRef::start(None, Door, ()).await?;
//! door.cast(DoorEvent::Push)?;
//! assert_eq!(door.inspect().await?.state, State::Open);
//! retake::sleep(std::time::Duration::from_millis(50)).await;
//! assert_eq!(door.inspect().await?.state, State::Closed);
//! # Ok(())
//! # }
//! ```

mod actor;
mod context;
mod handle;
mod table;

use std::fmt::{Debug, Display};
use std::future::Future;

use ractor::{ActorProcessingErr, SupervisionEvent};

pub use actor::{Inspection, Machine, Statem, StatemMessage};
pub use context::{Context, EnterContext};
pub use handle::StatemRef;
pub use table::{Rule, Table, TableError};

/// An event of a state machine.
pub trait Event: Debug + Send + 'static {
    /// Its name in the machine's [`Table`].
    fn name(&self) -> &'static str;
}

/// Where a handler leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<S> {
    /// The state stays. Postponed events stay postponed.
    Keep,
    /// The state stays, and its enter action runs again.
    Repeat,
    /// To this state. To the same one is like [`Next::Keep`].
    Goto(S),
    /// The machine stops, for this reason; none is a normal end.
    Stop(Option<String>),
}

/// Why an event is not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discard<S> {
    /// The state says to ignore it.
    Ignored(S),
    /// The state does not declare it.
    Undeclared(S),
    /// The machine stops while the event waits; the reason, if there is one.
    Stopped(Option<String>),
}

/// A state machine; [`Statem`] makes it an actor.
pub trait StateMachine: Sized + Send + Sync + 'static {
    /// Its states.
    type State: Copy + Ord + Debug + Display + Send + Sync + 'static;
    /// Its events, from outside, inserted and timed out.
    type Event: Event;
    /// What it knows beside its state.
    type Data: Send + 'static;
    /// What it starts with.
    type Arguments: Send + 'static;

    /// The states' events and transitions.
    fn table() -> Table<Self::State>;

    /// The first state and data. It may set timeouts and insert events.
    fn init(
        &self,
        arguments: Self::Arguments,
        context: &mut Context<'_, Self>,
    ) -> impl Future<Output = Result<(Self::State, Self::Data), ActorProcessingErr>> + Send;

    /// A state has been entered: from another one, or again, or at the start (from none).
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

    /// Handle an event that this state declares.
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

    /// What a child's start or end is to this machine; nothing if not told otherwise.
    fn supervision(&self, event: SupervisionEvent) -> Option<Self::Event> {
        let _ = event;
        None
    }
}
