//! The simulation's own timers: a heap of (nanoseconds, sequence).
//!
//! Cancelled timers leave the heap lazily, but never fire and never make time
//! advance.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;

use retake::engine::TimerId;

/// What happens when a timer is due.
#[derive(Debug)]
pub(crate) enum Action {
    /// A sleeping task resumes.
    Wake(Waker),
    /// A fault is injected; its index in the list of faults.
    Fault(usize),
    /// A delayed task may run again.
    Release { slot: u32, serial: u32 },
    /// The scenario should have returned by now, so long after the last fault.
    Liveness(std::time::Duration),
}

#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    sequence: u64,
    live: usize,
}

#[derive(Debug)]
struct Entry {
    sequence: u64,
    action: Option<Action>,
}

impl Timers {
    pub(crate) fn add(&mut self, deadline_ns: u64, action: Action) -> TimerId {
        self.sequence += 1;
        let entry = Entry {
            sequence: self.sequence,
            action: Some(action),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.heap.push(Reverse((deadline_ns, self.sequence, slot)));
        self.live += 1;
        TimerId {
            slot,
            sequence: self.sequence,
        }
    }

    /// Gives back what is cancelled, so that the caller drops it where it wants.
    pub(crate) fn cancel(&mut self, timer: TimerId) -> Option<Action> {
        let entry = self.entries.get_mut(timer.slot as usize)?;
        if entry.sequence != timer.sequence {
            return None;
        }
        let action = entry.action.take();
        self.live -= usize::from(action.is_some());
        action
    }

    pub(crate) fn next_deadline_ns(&mut self) -> Option<u64> {
        while let Some(Reverse((deadline, sequence, slot))) = self.heap.peek().copied() {
            let entry = &self.entries[slot as usize];
            debug_assert_eq!(
                entry.sequence, sequence,
                "a place is reused only after its heap entry is gone"
            );
            if entry.action.is_some() {
                return Some(deadline);
            }
            self.heap.pop();
            self.free.push(slot);
        }
        None
    }

    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Action> {
        if self.next_deadline_ns()? > now_ns {
            return None;
        }
        let Reverse((_, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.live -= 1;
        self.entries[slot as usize].action.take()
    }

    /// Forget every timer; gives back what they held.
    pub(crate) fn clear(&mut self) -> Vec<Action> {
        self.heap.clear();
        self.free.clear();
        self.live = 0;
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter_map(|entry| entry.action)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_in_the_order_of_deadline_then_of_asking() {
        let mut timers = Timers::default();
        for (deadline, fault) in [(20, 0), (10, 1), (20, 2), (5, 3)] {
            timers.add(deadline, Action::Fault(fault));
        }
        let mut order = Vec::new();
        while let Some(Action::Fault(fault)) = timers.pop_due(20) {
            order.push(fault);
        }
        assert_eq!(order, [3, 1, 0, 2]);
    }

    #[test]
    fn a_cancelled_timer_neither_fires_nor_holds_time() {
        let mut timers = Timers::default();
        let early = timers.add(10, Action::Fault(0));
        timers.add(30, Action::Fault(1));
        assert!(timers.cancel(early).is_some());
        assert!(timers.cancel(early).is_none());
        assert_eq!(timers.next_deadline_ns(), Some(30));
        // The place of the first is free again; its old id must not reach the new owner.
        let again = timers.add(20, Action::Fault(2));
        assert_eq!(again.slot, early.slot);
        assert!(timers.cancel(early).is_none());
        assert_eq!(timers.next_deadline_ns(), Some(20));
    }
}
