//! Runs in processes of their own, so that each is a function of its case alone.
//!
//! A process collects state that no simulation can reset: numbers of actors, names in a
//! registry, statics, caches that are filled once. A second run in the same process meets
//! what the first one left. So runs take place in children of a **worker**: a process that
//! was started for this, has run nothing, and does nothing but fork one child for each
//! request. Every child starts from the same state.
//!
//! A worker is the same program, started again. It learns from the environment variable
//! [`VARIABLE`] that it is one. The first code of this crate that it reaches, a test or the
//! `main` of a command, calls [`crate::explore::serve`] and never returns.
//!
//! The modules, in reading order: `wire` is the form of requests and answers, `client`
//! starts a worker and asks it, `pool` keeps the workers of a campaign, `server` is the
//! worker, and `os` is what they need of the operating system. What a request says is the
//! business of `explore`.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod os;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod wire;

#[cfg(not(unix))]
#[path = "unsupported.rs"]
mod pool;
#[cfg(not(unix))]
#[path = "unsupported_server.rs"]
mod server;

#[cfg(unix)]
pub use client::kill_all;
pub use pool::Workers;
#[cfg(not(unix))]
pub use pool::kill_all;
pub(crate) use pool::{Lost, Where};
pub(crate) use server::{PartSender, Parts, serve};

use std::ffi::OsString;
use std::time::Duration;

/// The environment variable by which a worker finds its requests. Its value is the number of a descriptor.
pub const VARIABLE: &str = "RETAKE_WORKER";

/// An environment variable that makes the environment of some workers larger.
pub(crate) const PADDING: &str = "RETAKE_WORKER_PADDING";

/// How workers are started, and the limits of each run.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Arguments with which this program reaches [`crate::explore::serve`].
    pub arguments: Vec<OsString>,
    /// A run that takes longer than this is ended, and counts as one that hangs.
    pub timeout: Duration,
    /// The largest address space of a run, in megabytes; none for no limit.
    pub memory_limit_mb: Option<u64>,
    /// Keep what runs print, instead of passing it on to the standard error.
    pub captures_output: bool,
}

/// Why there are no workers.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct WorkerError(pub(crate) String);

/// True in a process that was started as a worker.
#[must_use]
pub fn is_worker() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The limits of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// What takes longer hangs.
    pub(crate) timeout: Duration,
    /// What is printed is kept or passed on, instead of thrown away.
    pub(crate) prints: bool,
}
