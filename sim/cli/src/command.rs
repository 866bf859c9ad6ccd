//! For commands of your own, see [`Program::command`](crate::Program::command): how they
//! end, and what those of every program use.

pub use crate::commands::Isolation;
pub use crate::output::{partial, print_json, terminal_width, wrap};
pub use crate::signals::{Interrupt, stop_requested};
pub use crate::status::{Error, Status};
pub use crate::workers::workers;
