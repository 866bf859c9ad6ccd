//! How much memory a run holds, by counting what is allocated.
//!
//! A program that wants figures makes [`CountingAllocator`] its global allocator.
//! It counts for each thread by itself: a run has one thread, so the same seed
//! gives the same figures. What one thread allocates and another one frees counts
//! on both.
//!
//! ```
//! use retake_sim::memory::{self, CountingAllocator};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//!
//! memory::enable();
//! let before = memory::live_bytes();
//! let kilobyte = vec![0_u8; 1024];
//! assert_eq!(memory::live_bytes() - before, 1024);
//! # drop(kilobyte);
//! ```

#![allow(unsafe_code, reason = "the interface of allocators is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// The system's allocator, counting once [`enable`] was called. Until then it costs
/// a load and a branch more.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

static ENABLED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Count from now on, on all threads.
pub fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// True if the program counts.
#[must_use]
pub fn is_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Bytes that this thread allocated and has not freed. Compare two of them: by
/// itself one may be negative, when what others allocated is freed here.
#[must_use]
pub fn live_bytes() -> isize {
    LIVE.get()
}

/// The most that [`live_bytes`] was since the thread began, or since [`reset_peak`].
#[must_use]
pub fn peak_bytes() -> isize {
    PEAK.get()
}

/// The peak is what is live now.
pub fn reset_peak() {
    PEAK.set(LIVE.get());
}

#[inline]
fn count(added: usize, removed: usize) {
    if ENABLED.load(Ordering::Relaxed) {
        // A thread that ends frees its locals late: then there is nothing to count.
        let _ = LIVE.try_with(|live| {
            let now = live.get() + added.cast_signed() - removed.cast_signed();
            live.set(now);
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
        });
    }
}

// SAFETY: every call is passed to the system's allocator as it came.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(place, layout) }
    }
}
