//! Partial order sampling.
//!
//! Yuan, Yang, Gu: "Partial Order Aware Concurrency Sampling", CAV 2018, without its
//! knowledge of which events race: every step that becomes runnable draws a priority of
//! its own, and the highest runs. Other than with a uniform choice, what has a low
//! priority is overtaken by everything that comes later.

use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng as _;

use super::Scheduler;
use crate::runnable::Runnable;

/// Runs the step of the highest priority, see the module documentation.
#[derive(Clone, Debug)]
pub struct Pos {
    rng: ChaCha8Rng,
    /// By slot.
    priorities: Vec<u64>,
    /// Runnable tasks by priority, with entries of tasks that have left since.
    heap: BinaryHeap<(u64, u32)>,
}

impl Pos {
    /// Draws from `rng`.
    #[must_use]
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rng,
            priorities: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }
}

impl Scheduler for Pos {
    fn arrived(&mut self, slot: u32) {
        let place = slot as usize;
        if place >= self.priorities.len() {
            self.priorities.resize(place + 1, 0);
        }
        self.priorities[place] = self.rng.next_u64();
        self.heap.push((self.priorities[place], slot));
    }

    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        while let Some((priority, slot)) = self.heap.pop() {
            if runnable.contains(slot) && self.priorities[slot as usize] == priority {
                return Some(slot);
            }
        }
        runnable.oldest()
    }
}
