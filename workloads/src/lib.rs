//! Load generators, scenarios and the `retake` command.
//!
//! The modules, in reading order: [`load`] makes clients and measures them; `scenario` has
//! what can be run, one file each; [`report`] is what a run measured; [`served`] is what
//! `retake serve` serves, live and in a replay; `commands` are those about the system, and
//! [`program`](fn@program) puts the `retake` command together; [`bench`](mod@bench) has the
//! benchmarks, `answers` reads what HTTP servers say, [`zoo`] has programs with known bugs, and
//! [`recover`] looks into the files of ledgers.

mod answers;
pub mod bench;
mod commands;
#[cfg(test)]
mod documented;
mod live_faults;
pub mod load;
mod program;
pub mod recover;
pub mod report;
mod scenario;
pub mod served;
pub mod zoo;

pub use program::program;
