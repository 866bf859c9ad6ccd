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
//! Where there is no `fork`, each run starts a process of its own instead: slower, and without
//! limits of memory and fixed addresses, but from the same state as well.
//!
//! The modules, in reading order: `wire` is the form of requests and answers, `link`
//! the way to one worker, `client` asks one, `pool` keeps the workers of a campaign, `server` is the worker. `forking`,
//! `fork_server` and `os` do the forking, `portable` is the other way. What a request says
//! is the business of `explore`.

mod client;
#[cfg(unix)]
mod fork_server;
#[cfg(unix)]
mod forking;
mod link;
#[cfg(unix)]
mod os;
mod pool;
mod portable;
mod server;
#[cfg(target_os = "linux")]
mod text;
mod wire;

pub(crate) use link::now;
pub use pool::Workers;
pub(crate) use server::{PartSender, Parts};

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// The environment variable by which a worker finds its requests. Its value is the number of a
/// descriptor, or an address.
pub const VARIABLE: &str = "RETAKE_WORKER";

/// An environment variable that makes the environment of some workers larger.
pub(crate) const PADDING: &str = "RETAKE_WORKER_PADDING";

/// An environment variable that makes systems with `fork` do as those without: for tests.
pub(crate) const PORTABLE: &str = "RETAKE_WORKER_PORTABLE";

/// How workers are started, and the limits of each run.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Arguments with which this program reaches [`crate::explore::serve`].
    pub arguments: Vec<OsString>,
    /// A run that takes longer than this is ended, and counts as one that hangs.
    pub timeout: Duration,
    /// The largest address space of a run, in megabytes; none for no limit. Without effect
    /// where there is no `fork`.
    pub memory_limit_mb: Option<u64>,
    /// Keep what runs print, instead of passing it on to the standard error.
    pub captures_output: bool,
}

/// Why there are no workers.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct WorkerError(pub(crate) String);

/// End all workers, with their children, because this process is about to end.
pub fn kill_all() {
    #[cfg(unix)]
    forking::kill_all();
    portable::kill_all();
}

/// Serve the process that started this one, until it ends.
pub(crate) fn serve(run: server::Runner<'_>) -> ! {
    let value = std::env::var(VARIABLE).unwrap_or_default();
    #[cfg(unix)]
    if !portable::is_address(&value) {
        fork_server::serve(&value, run)
    }
    portable::serve(&value, run)
}

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

/// Which process a run takes place in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// In a new one.
    Fresh,
    /// In a new one of a worker with another environment.
    Elsewhere,
    /// In one with other runs.
    Shared,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum LossReason {
    /// The worker ended before it began with the run.
    NotStarted(String),
    /// It refused.
    Refused(String),
    /// The run's process ended.
    Ended(String),
    /// The run took longer than it may.
    Hangs(Duration),
    /// Runs are not wanted any more.
    Stopped,
}

/// What a run in another process gives.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) answer: Result<Vec<u8>, LossReason>,
    /// What it printed, where that is kept.
    pub(crate) printed: String,
    /// What the same process had run before, oldest first.
    pub(crate) history: Vec<Arc<[u8]>>,
}

impl Done {
    fn lost(lost: LossReason) -> Self {
        Self {
            answer: Err(lost),
            printed: String::new(),
            history: Vec::new(),
        }
    }
}
