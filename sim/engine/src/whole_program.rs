//! Processes that `cargo retake` simulates as a whole.

use std::future::Future;
use std::io;

use crate::interpose::seeded;

/// True in such a process, on a thread that is simulated with it.
///
/// A [`Sim`](crate::Sim) there has the seed and the strategy that it was given, as elsewhere: its
/// thread is taken out of the simulation of the process, in which all else waits for its end.
#[must_use]
pub fn is_simulated() -> bool {
    seeded::simulates_thread()
}

/// Run a scenario as a part of that process, on a runtime of its own.
///
/// # Errors
/// If the runtime cannot be built.
pub fn block_on<F: Future>(scenario: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(scenario))
}
