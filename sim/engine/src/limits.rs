//! Limits that hold for every run, and how what they forbid shows.

use std::time::Duration;

/// The longest horizon: a year.
pub const HORIZON_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// Larger than any address space: no thread of the runtime's blocking pool can
/// start, and `spawn_blocking` panics in the step that calls it.
pub(crate) const NO_STACK: usize = 1 << 56;
/// How tokio's message of that panic begins.
pub(crate) const NO_THREADS: &str = "OS can't spawn worker thread";
/// How rayon's message begins where its threads were refused to an earlier run.
pub(crate) const NO_POOL: &str = "The global thread pool has not been initialized";
