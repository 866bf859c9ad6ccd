//! Threads that loop without a call that waits: they poll a future by hand, or read what is not
//! there, again and again.
//!
//! On a machine such a thread keeps one processor, and others run on the rest. Here it keeps the
//! turn. So after many polls and reads that give nothing it sleeps for a moment of virtual time.

use super::kernel::{me, with};
use super::progress;
use super::state::Wait;
use super::threads;
use super::waits;

/// Polls and reads that give nothing, in one poll of a task, after which its thread sleeps.
const VAIN_MAX: u32 = 1 << 12;
/// The same of a thread that has slept since, and so loops.
const VAIN_MAX_OF_A_LOOP: u32 = 1 << 6;
/// How long it sleeps at first. The time doubles each time that it sleeps again.
const SLEEP_NS: u64 = 100_000;
const DOUBLED_MAX: u32 = 4;

/// A future of tokio that may have to wait is polled.
#[inline]
#[track_caller]
pub(crate) fn leaf() {
    if waits::looks() {
        waits::leaf();
    } else {
        is_vain(1);
    }
}

/// A poll has given nothing, or a read, which counts as `weight` polls.
#[inline]
pub(crate) fn is_vain(weight: u32) {
    if progress::add_vain(weight) >= VAIN_MAX {
        sleep();
    }
}

#[cold]
fn sleep() {
    let slept = progress::slept();
    progress::is_made();
    let Some(me) = me() else { return };
    let end = with(|kernel| {
        let thread = &kernel.threads[me as usize];
        let is_in_driver = thread.is_parked || thread.is_looking;
        let time = SLEEP_NS << slept.min(DOUBLED_MAX);
        (!is_in_driver).then(|| kernel.now_ns.saturating_add(time))
    });
    if let Some(end) = end {
        threads::block(me, Wait::Time, Some(end));
        progress::set(VAIN_MAX - VAIN_MAX_OF_A_LOOP, slept + 1);
    }
}
