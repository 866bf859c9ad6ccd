//! The worker processes of a command: this program, started again.

use std::sync::Arc;
use std::time::Duration;

use retake_sim::isolate::{Launch, Workers};

/// The largest address space of a run, in megabytes, where a command has no setting for it.
pub(crate) const MEMORY_LIMIT_MB: u64 = 4096;

/// How long one run may take in a command that has no setting for it: one that hangs is
/// noticed, and one that is only long is not taken for it.
const RUN_TIMEOUT: Duration = Duration::from_secs(300);

/// Workers of this program, which has to serve as one, see
/// [`Program::main`](crate::Program::main): each run in a process of its own.
#[must_use]
pub fn workers(timeout: Duration, memory_limit_mb: Option<u64>) -> Arc<Workers> {
    Arc::new(Workers::new(Launch {
        arguments: Vec::new(),
        timeout,
        memory_limit_mb,
        captures_output: false,
    }))
}

/// Workers of a command that has no setting for them.
pub(crate) fn run_workers() -> Arc<Workers> {
    workers(RUN_TIMEOUT, Some(MEMORY_LIMIT_MB))
}
