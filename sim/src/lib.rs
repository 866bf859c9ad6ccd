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
//! How one simulation runs is the crate `retake-engine`, all of whose public items are here.
//! On top of it, [`explore`] runs many seeds and makes failures small, with faults that a
//! [`plan`] draws; [`isolate`] has runs take place in processes of their own;
//! [`did_you_mean`] helps with mistyped names.

pub mod explore;
pub mod isolate;
pub mod plan;

#[cfg(feature = "fs")]
#[doc(inline)]
pub use retake_engine::fs;
#[cfg(feature = "net")]
#[doc(inline)]
pub use retake_engine::net;
#[doc(inline)]
pub use retake_engine::{
    Coverage, Environment, Fault, FaultError, HORIZON_MAX, Injector, Isolation, Layers, Messages,
    Outcome, OutcomeKind, Place, Run, RunConfig, RunView, Scheduler, Sim, Skew, Stats, Strategy,
    StrategyError, Target, TaskView, UngatedTask, WaitingTask, Watch, When, add_environment,
    add_injector, fault, history, inject, interpose, kinds, memory, outcome, panics, recording,
    rng, runnable, strategy, watchdog, whole_program,
};

pub use retake_traces::did_you_mean;
pub use retake_traces::time::parse_duration;

pub use plan::FaultPlan;
pub use retake_macros::test;

/// The example of the repository's README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
