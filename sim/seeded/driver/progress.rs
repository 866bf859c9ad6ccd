//! What a thread has polled and read in vain, since it has waited or polled a task.

use std::cell::Cell;

thread_local! {
    /// How much that is, and how many times the thread has slept for that.
    static VAIN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// The thread waits, or polls something else.
#[inline]
pub(super) fn is_made() {
    set(0, 0);
}

/// This much more was in vain. Returns the sum.
#[inline]
pub(super) fn add_vain(weight: u32) -> u32 {
    let count = VAIN.try_with(|vain| {
        let (count, slept) = vain.get();
        vain.set((count + weight, slept));
        count + weight
    });
    count.unwrap_or(0)
}

/// How many times the thread has slept.
pub(super) fn slept() -> u32 {
    VAIN.try_with(Cell::get).map_or(0, |(_, slept)| slept)
}

/// This much was in vain, and the thread has slept this many times for that.
#[inline]
pub(super) fn set(count: u32, slept: u32) {
    let _ = VAIN.try_with(|vain| vain.set((count, slept)));
}
