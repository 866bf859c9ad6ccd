//! Runs one simulation. Users depend on `retake-sim`, which has all of this crate and the
//! search for failures on top of it.
//!
//! The modules, in reading order: `sim` builds and runs; [`outcome`] is what comes
//! out; [`strategy`] chooses; [`runnable`] is what it chooses from; [`fault`] is
//! what goes wrong on purpose, `inject` does it; `engine` and `core` are the scheduler itself,
//! `timers` its time, `task` and `identity` who is who, `causes` who sent what,
//! `ends` who has ended, `deadlock` who waits for whom; `environment`, `net` and `fs` are what
//! moves in addition to the tasks; [`rng`] and [`interpose`] are where randomness and clocks come from;
//! `follow` and [`recording`] run what a live process has done; [`memory`] counts what is
//! allocated, [`panics`] is where code panics, [`watchdog`] which step does not end;
//! [`whole_program`] is about processes that are simulated as a whole.

mod awaits;
mod causes;
mod core;
mod deadlock;
mod ends;
mod engine;
mod environment;
mod follow;
#[cfg(feature = "fs")]
pub mod fs;
pub mod history;
mod inject;
mod injector;
mod inputs;
#[doc(hidden)]
pub mod internal;
pub mod interpose;
mod limits;
pub mod memory;
mod name_conflict;
#[cfg(feature = "net")]
pub mod net;
pub mod outcome;
pub mod panics;
mod place;
pub mod recording;
pub mod rng;
mod sim;
pub mod strategy;
mod task;
mod timers;
mod view;
pub mod watchdog;
pub mod whole_program;

use retake_live::identity;

pub use retake_core::runnable;

pub use retake_traces::fault::{self, Fault, FaultError, Skew, Target, When, kinds};
pub use retake_traces::run::{Layers, RunConfig, Watch};

pub use environment::Environment;
pub use injector::{Injector, RunView, TaskView};
pub use outcome::{Coverage, Messages, Outcome, OutcomeKind, Run, Stats, UngatedTask, WaitingTask};
pub use place::Place;
pub use sim::{HORIZON_MAX, Isolation, Sim, add_environment, add_injector, inject};
pub use strategy::{Scheduler, Strategy, StrategyError};
