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
//! What `gen_statem` leaves to the code is declared here, in a [`Table`]: which kinds of events
//! a state handles, and where they may lead. An event that a state does not
//! declare is reported and discarded; a transition that is not declared is a bug
//! and fails the actor. The table draws itself as a diagram.
//!
//! States, kinds of events and names of timeouts are types of each machine;
//! [`named_enum!`](crate::named_enum) makes an enum that has its words for diagrams.
//!
//! ```
//! use std::time::Duration;
//!
//! use ractor::ActorProcessingErr;
//! use retake_otp::named_enum;
//! use retake_otp::statem::{Context, Event, Next, StateMachine, StatemRef, Table};
//!
//! named_enum! {
//!     enum State { Closed = "closed", Open = "open" }
//! }
//! named_enum! {
//!     enum Action { Push = "push", Spring = "spring" }
//! }
//! use State::{Closed, Open};
//!
//! // Nothing but a kind: an event that carries values has a `Kind` of its own.
//! impl Event for Action {
//!     type Kind = Self;
//!     fn kind(&self) -> Self {
//!         *self
//!     }
//! }
//!
//! /// A door that closes by itself.
//! struct Door;
//!
//! impl StateMachine for Door {
//!     type State = State;
//!     type Event = Action;
//!     type Timeout = std::convert::Infallible;
//!     type Data = ();
//!     type Arguments = ();
//!
//!     fn table() -> Table<State, Action> {
//!         let table = Table::new([Closed]).on(Closed, Action::Push, [Open]);
//!         table.on(Open, Action::Spring, [Closed]).ignore(Open, Action::Push)
//!     }
//!
//!     async fn init(&self, _: (), _: &mut Context<'_, Self>) -> Result<(State, ()), ActorProcessingErr> {
//!         Ok((Closed, ()))
//!     }
//!
//!     async fn handle(
//!         &self, _: State, event: Action, _: &mut (), context: &mut Context<'_, Self>,
//!     ) -> Result<Next<State>, ActorProcessingErr> {
//!         if event == Action::Spring {
//!             return Ok(Next::Goto(Closed));
//!         }
//!         context.state_timeout(Duration::from_millis(10), Action::Spring);
//!         Ok(Next::Goto(Open))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let door = StatemRef::start(None, Door, ()).await?;
//! door.cast(Action::Push)?;
//! assert_eq!(door.inspect().await?.state, Open);
//! retake::sleep(Duration::from_millis(50)).await;
//! assert_eq!(door.inspect().await?.state, Closed);
//! # Ok(())
//! # }
//! ```
//!
//! A rule for an event that does not exist does not compile:
//!
//! ```compile_fail,E0599
//! # use retake_otp::{named_enum, statem::Table};
//! named_enum! {
//!     enum State { Closed = "closed", Open = "open" }
//! }
//! named_enum! {
//!     enum Action { Push = "push", Spring = "spring" }
//! }
//! let table = Table::<State, Action>::new([State::Closed]);
//! table.on(State::Closed, Action::Psuh, [State::Open]);
//! ```
//!
//! Nor does one for an event of another machine:
//!
//! ```compile_fail,E0277
//! # use retake_otp::{named_enum, statem::Table};
//! # named_enum! {
//! #     enum State { Closed = "closed", Open = "open" }
//! # }
//! # named_enum! {
//! #     enum Action { Push = "push", Spring = "spring" }
//! # }
//! named_enum! {
//!     enum LightAction { Switch = "switch" }
//! }
//! let table = Table::<State, Action>::new([State::Closed]);
//! table.on(State::Closed, LightAction::Switch, [State::Open]);
//! ```

mod actor;
mod effects;
mod handle;
mod machine;
mod table;

pub use actor::{Machine, Statem};
pub use handle::StatemRef;
pub use machine::{
    Context, Discard, EnterContext, Event, Inspection, InspectionOf, KindOf, Next, StateMachine,
    StatemMessage,
};
pub use table::{Rule, Table, TableError};
