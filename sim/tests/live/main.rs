//! Live processes are recorded, and their recordings are followed. In a binary of its own, because
//! a process has one recording at a time, which records all its gates.

mod ends;
mod hostile;
mod recording;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A process has one recording at a time.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
