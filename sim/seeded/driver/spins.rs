//! Threads that loop without a call that waits: they poll a future by hand, or read what is not
//! there, again and again.
//!
//! On a machine such a thread keeps one processor, and others run on the rest. Here it keeps the
//! turn. So after many polls and reads that give nothing it sleeps for a moment of virtual time.

use std::cell::Cell;

use super::kernel::{me, with};
use super::state::Wait;
use super::threads;

/// Polls and reads that give nothing, in one poll of a task, after which its thread sleeps.
const VAIN_MAX: u32 = 1 << 12;
/// The same of a thread that has slept since, and so loops.
const VAIN_MAX_OF_A_LOOP: u32 = 1 << 6;
/// How long it sleeps at first. The time doubles each time that it sleeps again.
const SLEEP_NS: u64 = 100_000;
const DOUBLED_MAX: u32 = 4;

thread_local! {
    /// What has given nothing since the thread has waited or polled a task, and how many times it
    /// has slept for that.
    static VAIN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// The thread waits, or polls something else.
#[inline]
pub(super) fn makes_progress() {
    let _ = VAIN.try_with(|vain| vain.set((0, 0)));
}

/// A poll has given nothing, or a read, which counts as `weight` polls.
#[inline]
pub(crate) fn is_vain(weight: u32) {
    let is_too_much = VAIN.try_with(|vain| {
        let (count, slept) = vain.get();
        vain.set((count + weight, slept));
        count + weight >= VAIN_MAX
    });
    if is_too_much.unwrap_or(false) {
        sleep();
    }
}

#[cold]
fn sleep() {
    let (_, slept) = VAIN.try_with(Cell::take).unwrap_or_default();
    let Some(me) = me() else { return };
    let end = with(|kernel| {
        let thread = &kernel.threads[me as usize];
        let is_in_driver = thread.is_parked || thread.is_looking;
        let time = SLEEP_NS << slept.min(DOUBLED_MAX);
        (!is_in_driver).then(|| kernel.now_ns.saturating_add(time))
    });
    if let Some(end) = end {
        threads::block(me, Wait::Time, Some(end));
        let _ = VAIN.try_with(|vain| vain.set((VAIN_MAX - VAIN_MAX_OF_A_LOOP, slept + 1)));
    }
}
