//! A heap of their own for the actors and tasks of a run.
//!
//! An address is a number that code can use: a map may be keyed by one, `ahash` takes its
//! keys from one. It depends on what the process has allocated before, and a run that records
//! a trace allocates more than one that does not. So what is simulated has a heap in which
//! nothing else allocates, empty at the start of the process and at the same address in every
//! process, while the engine uses that of the C library: addresses are then a function of the
//! run alone.
//!
//! `symbols::glibc` has the heaps and the functions of the C library. A thread says here on which
//! heap it is.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// The heap on which this thread allocates: a number from 1, or that of the C library.
    pub(super) static HEAP: Cell<u8> = const { Cell::new(LIBRARY) };
}

/// An allocation of a run has failed.
static LACKED: AtomicBool = AtomicBool::new(false);

#[cfg_attr(
    not(all(feature = "heap", target_os = "linux", target_env = "gnu")),
    allow(dead_code, reason = "an own heap is with glibc only")
)]
pub(super) fn note_lack() {
    LACKED.store(true, Ordering::Relaxed);
}

/// Whether an allocation of a run of this process has failed for lack of memory. False where
/// runs have no heap of their own.
#[must_use]
pub fn lacked_memory() -> bool {
    LACKED.load(Ordering::Relaxed)
}

/// The heap of the C library.
pub(super) const LIBRARY: u8 = 0;

/// On the heap of the C library until it is dropped.
#[derive(Debug)]
pub(crate) struct LibraryHeap {
    before: u8,
}

impl LibraryHeap {
    #[inline]
    pub(crate) fn enter() -> Self {
        Self { before: enter() }
    }
}

impl Drop for LibraryHeap {
    #[inline]
    fn drop(&mut self) {
        leave(self.before);
    }
}

/// What follows on this thread is the engine's own. Gives what [`leave`] takes.
#[inline]
pub(crate) fn enter() -> u8 {
    HEAP.try_with(|heap| heap.replace(LIBRARY))
        .unwrap_or(LIBRARY)
}

/// What follows on this thread is what was interrupted by [`enter`].
#[inline]
pub(crate) fn leave(before: u8) {
    let _ = HEAP.try_with(|heap| heap.set(before));
}
