//! Probabilistic concurrency testing.
//!
//! Burckhardt, Kothari, Musuvathi, Nagarakatte: "A Randomized Scheduler with
//! Probabilistic Guarantees of Finding Bugs", ASPLOS 2010. Every task has a
//! random priority and the highest runs; at `depth - 1` random steps the running
//! task drops below all others. A bug of depth d among n tasks and k steps is
//! found with probability at least 1 / (n · k^(d-1)).
//!
//! A task that yields drops as well, in addition to the paper: a program whose task yields until
//! another one has run would not end otherwise.

use std::collections::BinaryHeap;

use super::Scheduler;
use crate::random::Random;
use crate::runnable::Runnable;
use crate::task::NewTask;

/// Initial priorities lie above this, dropped ones below.
const DROPPED: u64 = 1 << 32;

/// Runs the runnable task of the highest priority, see the module documentation.
#[derive(Debug)]
pub struct Priorities<R> {
    rng: R,
    /// By slot.
    priorities: Vec<u64>,
    /// Runnable tasks by priority, with entries of tasks that have left since.
    heap: BinaryHeap<(u64, u32)>,
    /// Steps at which a priority drops, the earliest last.
    changes: Vec<u64>,
    next_dropped: u64,
}

impl<R: Random> Priorities<R> {
    /// For bugs of this depth within so many steps.
    #[must_use]
    pub fn new(depth: u64, steps: u64, mut rng: R) -> Self {
        let mut changes: Vec<u64> = (1..depth)
            .map(|_| 1 + rng.next_u64() % steps.max(1))
            .collect();
        changes.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            rng,
            priorities: Vec::new(),
            heap: BinaryHeap::new(),
            changes,
            next_dropped: DROPPED,
        }
    }

    fn highest(&mut self, runnable: &Runnable) -> Option<u32> {
        while let Some((priority, slot)) = self.heap.peek().copied() {
            if runnable.contains(slot) && self.priorities[slot as usize] == priority {
                return Some(slot);
            }
            self.heap.pop();
        }
        None
    }
}

impl<R: Random> Scheduler for Priorities<R> {
    fn started(&mut self, task: &NewTask<'_>) {
        let place = task.slot as usize;
        if place >= self.priorities.len() {
            self.priorities.resize(place + 1, 0);
        }
        self.priorities[place] = DROPPED + (self.rng.next_u64() >> 1);
    }

    fn arrived(&mut self, slot: u32) {
        self.heap.push((self.priorities[slot as usize], slot));
    }

    fn yielded(&mut self, slot: u32) {
        self.next_dropped = self.next_dropped.saturating_sub(1);
        self.priorities[slot as usize] = self.next_dropped;
    }

    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        while self.changes.last().is_some_and(|change| *change <= step) {
            self.changes.pop();
            if let Some(slot) = self.highest(runnable) {
                self.next_dropped = self.next_dropped.saturating_sub(1);
                self.priorities[slot as usize] = self.next_dropped;
                self.heap.push((self.next_dropped, slot));
            }
        }
        let slot = self.highest(runnable);
        self.heap.pop();
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::SplitMix;
    use crate::task::TaskKind;

    #[test]
    fn a_task_that_yields_runs_after_all_others() {
        for seed in 0..50 {
            let mut priorities = Priorities::new(1, 100, SplitMix(seed));
            let mut runnable = Runnable::default();
            for slot in 0..4 {
                priorities.started(&NewTask {
                    slot,
                    serial: slot,
                    kind: TaskKind::Task,
                    label: &"",
                });
                runnable.insert(slot);
                priorities.arrived(slot);
            }
            let first = priorities.pick(1, &mut runnable).expect("four can run");
            runnable.remove(first);
            priorities.yielded(first);
            runnable.insert(first);
            priorities.arrived(first);
            for step in 2..5 {
                let other = priorities.pick(step, &mut runnable).expect("some can run");
                assert_ne!(other, first, "seed {seed}");
                runnable.remove(other);
            }
            assert_eq!(priorities.pick(5, &mut runnable), Some(first));
        }
    }
}
