//! How many messages wait for whom, for strategies that ask for it.
//!
//! A channel belongs to the task that was the last one to receive from it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::flags;
use super::kernel::{Kernel, me, with};

#[inline]
fn is_counted() -> bool {
    flags::counts_messages() && me().is_some()
}

/// The part of a channel that knows whose messages are in it.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The number of its owner, and the owner's slot; [`NOBODY`] before anything has received.
    owner: AtomicU64,
}

const NOBODY: u64 = u64::MAX;

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            owner: AtomicU64::new(NOBODY),
        }
    }

    /// A message is put into the channel.
    #[inline]
    pub(crate) fn sent(&self) {
        if is_counted() {
            with(|kernel| self.add(kernel, 1));
        }
    }

    /// What runs now receives from the channel, in which there are so many messages.
    #[inline]
    pub(crate) fn received_from(&self, waiting: impl FnOnce() -> usize) {
        if !is_counted() {
            return;
        }
        with(|kernel| {
            let (slot, serial) = kernel.running();
            let new = u64::from(serial) << 32 | u64::from(slot);
            if slot != u32::MAX && self.owner.load(Ordering::Relaxed) != new {
                let waiting = waiting() as i64;
                self.add(kernel, -waiting);
                self.owner.store(new, Ordering::Relaxed);
                self.add(kernel, waiting);
            }
        });
    }

    /// So many messages were taken out.
    #[inline]
    pub(crate) fn taken(&self, count: usize) {
        if is_counted() {
            with(|kernel| self.add(kernel, -(count as i64)));
        }
    }

    /// Nobody receives from it any more.
    pub(crate) fn closed(&self, waiting: impl FnOnce() -> usize) {
        if is_counted() {
            with(|kernel| self.add(kernel, -(waiting() as i64)));
            self.owner.store(NOBODY, Ordering::Relaxed);
        }
    }

    fn add(&self, kernel: &mut Kernel, difference: i64) {
        let owner = self.owner.load(Ordering::Relaxed);
        let (slot, serial) = (owner as u32, (owner >> 32) as u32);
        // The owner may have ended, and its slot may be another one's.
        let known = kernel.entities.get(slot as usize);
        if owner != NOBODY && known.is_some_and(|it| it.serial == serial) {
            kernel.add_messages(slot, difference);
        }
    }
}
