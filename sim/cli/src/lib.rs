//! A command for simulations of your own scenarios: run, explore, replay, shrink, explain,
//! debug, view, export.
//!
//! [`Program`] is made of scenarios and becomes a binary like `retake`:
//!
//! ```no_run
//! # async fn two_buy_the_last_one() {}
//! fn main() -> std::process::ExitCode {
//!     retake_cli::Program::new("shop", env!("CARGO_PKG_VERSION"))
//!         .scenario("shop/last_one", "two buy the last one", two_buy_the_last_one)
//!         .main()
//! }
//! ```
//!
//! In reading order: a [`Scenario`] is code that can be run by name, and may leave a
//! report of what it measured; a [`Program`] has scenarios, commands of its own ([`command`]), and the code of
//! live processes whose recordings it follows ([`Follower`]); `command_line` parses and
//! dispatches, `commands` has one file for each command and the debugger. Libraries use
//! [`run`] to run and replay a scenario, and [`view`] to make a page of a trace.

mod added;
mod build_id;
pub mod command;
mod command_line;
mod commands;
mod help;
mod output;
mod program;
mod recording;
pub mod run;
mod saved;
mod scenario;
mod settings;
mod signals;
mod status;
pub mod view;
mod workers;

pub use program::Program;
pub use recording::{Findings, Follower};
pub use saved::CheckSavedError;
pub use scenario::{RecordedReport, ReportSlot, Scenario};
