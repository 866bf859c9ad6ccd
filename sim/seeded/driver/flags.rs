//! What is known of the whole process without its state: read where every poll passes.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// How many times something was written to a descriptor.
static WRITES: AtomicU64 = AtomicU64::new(0);
static OUT_OF_TIME: AtomicBool = AtomicBool::new(false);
static FILE_FAULTS: AtomicBool = AtomicBool::new(false);
static COUNTS_MESSAGES: AtomicBool = AtomicBool::new(false);
static SEES_MESSAGES: AtomicBool = AtomicBool::new(false);
/// The number of what takes steps now.
static CURRENT: AtomicU32 = AtomicU32::new(u32::MAX);

/// The process that started this one asks it to end.
#[inline]
pub(super) fn is_out_of_time() -> bool {
    OUT_OF_TIME.load(Ordering::Relaxed)
}

/// The handler of a signal.
pub(super) extern "C" fn set_out_of_time(_: i32) {
    OUT_OF_TIME.store(true, Ordering::Relaxed);
}

/// How many times something was written to a descriptor.
#[inline]
pub(super) fn writes() -> u64 {
    WRITES.load(Ordering::Relaxed)
}

/// Something was written.
#[inline]
pub(super) fn writes_once_more() {
    WRITES.fetch_add(1, Ordering::Relaxed);
}

/// Some fault is about files or sockets, or none is.
pub(super) fn set_file_faults(are_planned: bool) {
    FILE_FAULTS.store(are_planned, Ordering::Relaxed);
}

/// Whether some fault is about files or sockets.
#[inline]
pub(super) fn has_file_faults() -> bool {
    FILE_FAULTS.load(Ordering::Relaxed)
}

/// Have the messages that wait counted, from the start of the process.
pub(super) fn count_messages(counts: bool) {
    COUNTS_MESSAGES.store(counts, Ordering::Relaxed);
}

#[inline]
pub(super) fn counts_messages() -> bool {
    COUNTS_MESSAGES.load(Ordering::Relaxed)
}

/// It matters that a message is taken: it is recorded, or the task may be held up then.
pub(super) fn see_messages() {
    SEES_MESSAGES.store(true, Ordering::Relaxed);
}

#[inline]
pub(super) fn sees_messages() -> bool {
    SEES_MESSAGES.load(Ordering::Relaxed)
}

/// This takes steps now.
#[inline]
pub(super) fn set_current(serial: u32) {
    CURRENT.store(serial, Ordering::Relaxed);
}

/// The number of what takes steps now.
#[inline]
pub(super) fn current() -> u32 {
    CURRENT.load(Ordering::Relaxed)
}
