//! Messages of channels: each that a task takes is a step of its own.

use std::cell::Cell;
use std::task::Waker;

use super::core::random::below;
use super::flags;
use super::kernel::{Kernel, is_on, me, with};
use super::progress;
use super::record::Tag;
use super::threads;

thread_local! {
    /// The waker of the task or future that is polled, as the address of its data, and whether
    /// it has taken a message in this poll.
    static POLLED: Cell<(usize, bool)> = const { Cell::new((0, false)) };
}

/// A poll with this waker begins.
#[inline]
pub(crate) fn polls(waker: usize) {
    let _ = POLLED.try_with(|polled| polled.set((waker, false)));
    progress::is_made();
}

/// Whether this is the own waker of the task or future that is polled.
pub(super) fn is_own(waker: &Waker) -> bool {
    let polled = POLLED.try_with(Cell::get);
    polled.is_ok_and(|(polled, _)| polled == waker.data() as usize)
}

/// Whether a task that takes a message gives way first, because it has taken one in this poll.
///
/// Not under another waker than the task's own: what polls by hand expects what is ready.
#[inline]
pub(crate) fn gives_way(waker: &Waker) -> bool {
    let (polled, has_taken) = POLLED.try_with(Cell::get).unwrap_or_default();
    has_taken && polled == waker.data() as usize
}

/// The task gives way now, to take the next message in another step.
pub(crate) fn give_way() {
    if me().is_some() {
        with(|kernel| kernel.gives_way = true);
    }
}

/// A message was taken by what is polled with this waker.
#[inline]
pub(crate) fn taken(waker: &Waker, type_name: &'static str) {
    if !is_on() {
        return;
    }
    let is_own = POLLED.try_with(|polled| {
        let (address, _) = polled.get();
        polled.set((address, true));
        address == waker.data() as usize
    });
    let is_own = is_own.unwrap_or(false);
    if !flags::sees_messages() {
        return;
    }
    let Some(me) = me() else { return };
    let is_held_up = with(|kernel| {
        if kernel.settings.records {
            kernel.record.event(Tag::Message, |fields| {
                fields.text(type_name);
            });
        }
        is_own && kernel.is_held_up(me)
    });
    if is_held_up {
        threads::yield_now(me);
    }
}

impl Kernel {
    /// Whether others run between taking a message and handling it, as they may where a runtime
    /// has several threads.
    fn is_held_up(&mut self, thread: u32) -> bool {
        let bound = self.settings.preempt as usize;
        let Some(runtime) = self.threads[thread as usize].runtime else {
            return false;
        };
        bound > 0
            && self.runtimes[runtime as usize].has_threads
            && below(&mut self.preempt, bound) == 0
    }
}
