//! The product.

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
mod signals;
mod status;
pub mod view;
mod workers;

pub use program::Program;
pub use recording::{Findings, Follower};
pub use saved::CheckSavedError;
pub use scenario::{RecordedReport, Report, ReportSlot, Scenario};
