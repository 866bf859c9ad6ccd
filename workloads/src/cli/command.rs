//! For commands of your own, see [`Program::command`](crate::cli::Program::command): how they
//! end, and what those of every program use.

pub use super::commands::Isolation;
pub use super::output::{partial, print_json, terminal_width, wrap};
pub use super::signals::{Interrupt, stop_requested};
pub use super::status::{Error, Status};
pub use super::workers::workers;
