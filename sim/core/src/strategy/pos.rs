//! Partial order sampling.
//!
//! Yuan, Yang, Gu: "Partial Order Aware Concurrency Sampling", CAV 2018, without its
//! knowledge of which events race: every step that becomes runnable draws a priority of
//! its own, and the highest runs. Other than with a uniform choice, what has a low
//! priority is overtaken by everything that comes later.

use std::collections::BinaryHeap;

use super::Scheduler;
use crate::random::Random;
use crate::runnable::Runnable;

/// Runs the step of the highest priority, see the module documentation.
#[derive(Debug)]
pub struct Priorities<R> {
    rng: R,
    /// By slot.
    priorities: Vec<u64>,
    /// What became runnable since the last pick, in an order that no seed decides.
    arriving: Vec<u32>,
    /// Runnable tasks by priority, with entries of tasks that have left since.
    heap: BinaryHeap<(u64, u32)>,
}

impl<R: Random> Priorities<R> {
    /// Draws priorities from this stream.
    #[must_use]
    pub fn new(rng: R) -> Self {
        Self {
            rng,
            priorities: Vec::new(),
            arriving: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }
}

impl<R: Random> Scheduler for Priorities<R> {
    fn arrived(&mut self, slot: u32) {
        self.arriving.push(slot);
    }

    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        self.arriving.sort_unstable();
        self.arriving.dedup();
        for slot in self.arriving.drain(..) {
            // Who left again draws nothing: whether it ever came may depend on the order.
            if !runnable.contains(slot) {
                continue;
            }
            let place = slot as usize;
            if place >= self.priorities.len() {
                self.priorities.resize(place + 1, 0);
            }
            self.priorities[place] = self.rng.next_u64();
            self.heap.push((self.priorities[place], slot));
        }
        while let Some((priority, slot)) = self.heap.pop() {
            if runnable.contains(slot) && self.priorities[slot as usize] == priority {
                return Some(slot);
            }
        }
        runnable.oldest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::SplitMix;

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let picks = |arrivals: &[&[u32]]| {
            let mut pos = Priorities::new(SplitMix(7));
            let mut runnable = Runnable::default();
            let mut picks = Vec::new();
            for round in arrivals {
                for slot in *round {
                    runnable.insert(*slot);
                    pos.arrived(*slot);
                }
                let slot = pos.pick(0, &mut runnable);
                runnable.remove(slot.expect("something can run"));
                picks.push(slot);
            }
            picks
        };
        let ascending: &[&[u32]] = &[&[0, 1, 2, 3], &[], &[5, 6, 7], &[], &[]];
        let otherwise: &[&[u32]] = &[&[2, 0, 3, 1], &[], &[7, 5, 6], &[], &[]];
        assert_eq!(picks(ascending), picks(otherwise));
    }
}
