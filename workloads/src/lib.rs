//! Load generators, scenarios and the `retake` command.
//!
//! The modules, in reading order: [`load`] makes clients and measures them;
//! [`scenario`] is the table of what can be run, one file each; [`report`] is
//! what a run measured; [`run`] runs a scenario under the simulator, with or
//! without a trace, and replays one; [`served`] is what `retake serve` serves, live and
//! in a replay; [`cli`] is the command line, and [`Program`] makes one of your own scenarios;
//! [`bench`](mod@bench) has the benchmarks, `build_id` tells executables apart, `answers` reads
//! what HTTP servers say, [`view`] makes pages of traces, [`zoo`]
//! has programs with known bugs, and [`recover`] looks into the files of ledgers.

mod answers;
pub mod bench;
mod build_id;
pub mod cli;
pub mod load;
mod program;
pub mod recover;
pub mod report;
pub mod run;
pub mod scenario;
pub mod served;
pub mod view;
pub mod zoo;

pub use program::{CheckSavedError, Program};
