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
//!   event. They may set timeouts and stop the machine; they cannot postpone, insert
//!   or change state.
//!
//! Of its actions, those for its own process are left out (hibernation, another
//! callback module), and so are absolute times.
//!
//! What `gen_statem` leaves to the code is declared here, in a [`Table`]: which
//! events a state handles, and where they may lead. An event that a state does not
//! declare is reported and discarded; a transition that is not declared is a bug
//! and fails the actor. The table draws itself as a diagram.
//!
//! ```
//! use std::time::Duration;
//!
//! use ractor::ActorProcessingErr;
//! use retake_otp::statem::{Context, Next, StateMachine, StatemRef, Table};
//!
//! /// A door that closes by itself. States and events may be texts, as atoms are in
//! /// Erlang; machines of some size have enums.
//! struct Door;
//!
//! impl StateMachine for Door {
//!     type State = &'static str;
//!     type Event = &'static str;
//!     type Data = ();
//!     type Arguments = ();
//!
//!     fn table() -> Table<&'static str> {
//!         let table = Table::new(["closed"]).on("closed", "push", ["open"]);
//!         table.on("open", "spring", ["closed"]).ignore("open", "push")
//!     }
//!
//!     async fn init(&self, _: (), _: &mut Context<'_, Self>) -> Result<(&'static str, ()), ActorProcessingErr> {
//!         Ok(("closed", ()))
//!     }
//!
//!     async fn handle(
//!         &self, _: &'static str, event: &'static str, _: &mut (), context: &mut Context<'_, Self>,
//!     ) -> Result<Next<&'static str>, ActorProcessingErr> {
//!         if event == "spring" {
//!             return Ok(Next::Goto("closed"));
//!         }
//!         context.state_timeout(Duration::from_millis(10), "spring");
//!         Ok(Next::Goto("open"))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let door = StatemRef::start(None, Door, ()).await?;
//! door.cast("push")?;
//! assert_eq!(door.inspect().await?.state, "open");
//! retake::sleep(Duration::from_millis(50)).await;
//! assert_eq!(door.inspect().await?.state, "closed");
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

/// An event of a state machine: `EventContent` in `gen_statem`(3erl). Calls, casts, timeouts
/// and inserted events are told apart by what they are, not by an event type.
pub trait Event: Debug + Send + 'static {
    /// Its name in the machine's [`Table`].
    fn name(&self) -> &'static str;
}

impl Event for &'static str {
    fn name(&self) -> &'static str {
        self
    }
}

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

/// A state machine; [`Statem`] makes it an actor.
///
/// After `gen_statem`(3erl), the callbacks of the mode `handle_event_function` with
/// `state_enter`.
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

    /// What a child's start or end is to this machine; nothing if not told otherwise.
    fn supervision(&self, event: SupervisionEvent) -> Option<Self::Event> {
        let _ = event;
        None
    }
}
