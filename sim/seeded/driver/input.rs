//! Calls that read: what they wait for, and what they give.

use std::ffi::c_int;

use super::kernel::{me, with};
use super::spins;
use super::state::Wait;
use super::sys::{self, answer};
use super::threads;

/// Let others run until this descriptor can be read, if a read of it would block: what is read
/// may come from them.
pub(super) fn wait_for_input(file: c_int) {
    let Some(me) = me() else { return };
    if sys::readable(&[file], 0)[0] || !sys::is_blocking(file) {
        return;
    }
    with(|kernel| kernel.use_event_source());
    threads::block(me, Wait::File(file), None);
}

/// The same for a message of a socket, with the flags of the call.
pub(super) fn wait_for_message(file: c_int, flags: c_int) {
    const MSG_DONTWAIT: c_int = 0x40;
    if flags & MSG_DONTWAIT == 0 {
        wait_for_input(file);
    }
}

/// The answer of a call that reads. At the end of a stream, and where nothing is there yet, a
/// thread may read again and again.
pub(super) fn read(result: isize) -> isize {
    /// A read that gives nothing counts as so many polls.
    const POLLS: u32 = 16;
    if result == 0 || result == -(sys::EAGAIN as isize) {
        spins::is_vain(POLLS);
    }
    answer(result) as isize
}
