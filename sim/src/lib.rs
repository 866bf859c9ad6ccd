//! Deterministic simulation of `ractor` actor systems.
//!
//! A scenario is ordinary async code that spawns ordinary actors. [`Sim::run`]
//! runs it on a stock tokio runtime with a paused clock; every piece of user code
//! passes a gate (see the crate `retake`) and waits there for the seeded
//! scheduler. One turn is one *step*. The same seed gives the same run, step by
//! step, in every process.
//!
//! ```
//! use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
//! use retake_sim::Sim;
//!
//! struct Counter;
//!
//! #[retake::simulated]
//! impl Actor for Counter {
//!     type Msg = RpcReplyPort<u32>;
//!     type State = u32;
//!     type Arguments = ();
//!
//!     async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<u32, ActorProcessingErr> {
//!         Ok(0)
//!     }
//!
//!     async fn handle(
//!         &self,
//!         _: ActorRef<Self::Msg>,
//!         reply: Self::Msg,
//!         count: &mut u32,
//!     ) -> Result<(), ActorProcessingErr> {
//!         *count += 1;
//!         Ok(reply.send(*count)?)
//!     }
//! }
//!
//! let count = || async {
//!     let (counter, _) = Actor::spawn(Some(retake::scoped_name("counter")), Counter, ()).await.unwrap();
//!     ractor::call!(counter, |reply| reply).unwrap()
//! };
//! let run = Sim::new().seed(42).run(count);
//! assert_eq!(run.event_hash, Sim::new().seed(42).run(count).event_hash);
//! assert_eq!(run.expect_passed(), 1);
//! ```
//!
//! The modules, in reading order: `sim` builds and runs; [`outcome`] is what comes
//! out; [`strategy`] chooses; [`runnable`] is what it chooses from; [`fault`] is
//! what goes wrong on purpose, `inject` does it; `engine` and `core` are the scheduler itself,
//! `timers` its time, `task` and `identity` who is who, `causes` who sent what,
//! `ends` who has ended, `deadlock` who waits for whom; `environment`, `net` and `fs` are what
//! moves in addition to the tasks; [`rng`] and [`interpose`] are where randomness and clocks come from;
//! [`isolate`] has runs take place in processes of their own; [`memory`] counts what is
//! allocated, [`panics`] is where code panics, [`watchdog`] which step does not end;
//! [`did_you_mean`] helps with mistyped names. On top of all of it, [`explore`] runs many seeds
//! and makes failures small, with faults that a [`plan`] draws.

mod awaits;
mod causes;
mod core;
mod deadlock;
mod ends;
mod engine;
mod environment;
pub mod explore;
mod follow;
#[cfg(feature = "fs")]
pub mod fs;
#[cfg(feature = "history")]
pub mod history;
mod inject;
mod injector;
mod inputs;
pub mod interpose;
pub mod isolate;
mod limits;
pub mod memory;
mod name_conflict;
#[cfg(feature = "net")]
pub mod net;
pub mod outcome;
pub mod panics;
pub mod plan;
pub mod recording;
pub mod rng;
pub mod runnable;
mod sim;
pub mod strategy;
mod task;
mod timers;
mod view;
pub mod watchdog;

use retake_record::identity;

pub use retake_traces::did_you_mean;
pub use retake_traces::fault::{self, Fault, FaultError, Skew, Target, When, kinds};
pub use retake_traces::time::parse_duration;

pub use environment::Environment;
pub use injector::{Injector, RunView, TaskView, add_injector};
pub use outcome::{Coverage, Messages, Outcome, Place, Run, Stats, UngatedTask, Waiting};
pub use plan::FaultPlan;
pub use retake_macros::test;
pub use sim::{HORIZON_MAX, Isolation, Sim, add_environment, inject};
pub use strategy::{Scheduler, Strategy, StrategyError};

/// The example of the repository's README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
