//! Delay bounding.
//!
//! Emmi, Qadeer, Rakamarić: "Delay-Bounded Scheduling", POPL 2011. The schedule is a
//! deterministic one, here first in, first out, but for a few delays: at each of so many
//! random steps the task that would run has to wait until all others have had their turn.
//! Many bugs need one or two delays, and a run with few differs little from the plain one.

use super::Scheduler;
use crate::random::Random;
use crate::runnable::Runnable;

/// Runs tasks first in, first out but for some delays, see the module documentation.
#[derive(Debug)]
pub struct RandomDelays {
    /// Steps before which a task is delayed, the earliest last; twice means two tasks.
    delays: Vec<u64>,
    /// Tasks that wait, the one that has waited longest first.
    delayed: Vec<u32>,
}

impl RandomDelays {
    /// So many delays within so many steps.
    #[must_use]
    pub fn new(count: u64, steps: u64, mut rng: impl Random) -> Self {
        let mut delays: Vec<u64> = (0..count)
            .map(|_| 1 + rng.next_u64() % steps.max(1))
            .collect();
        delays.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            delays,
            delayed: Vec::new(),
        }
    }

    /// The task that first in, first out would run, among those that are not delayed.
    fn first(&self, runnable: &mut Runnable) -> Option<u32> {
        if self.delayed.is_empty() {
            return runnable.oldest();
        }
        let mut in_order = runnable.in_order();
        in_order.find(|slot| !self.delayed.contains(slot))
    }
}

impl Scheduler for RandomDelays {
    fn pick(&mut self, step: u64, runnable: &mut Runnable) -> Option<u32> {
        self.delayed.retain(|slot| runnable.contains(*slot));
        while self.delays.last().is_some_and(|delay| *delay <= step) {
            self.delays.pop();
            self.delayed.extend(self.first(runnable));
        }
        if let Some(slot) = self.first(runnable) {
            return Some(slot);
        }
        // All others have run that could.
        Some(self.delayed.remove(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::SplitMix;

    /// The order in which four tasks take three turns each.
    fn order(count: u64, seed: u64) -> Vec<u32> {
        let mut scheduler = RandomDelays::new(count, 12, SplitMix(seed));
        let mut runnable = Runnable::default();
        let mut turns = [0; 4];
        (0..4).for_each(|slot| runnable.insert(slot));
        let mut order = Vec::new();
        for step in 1..=12 {
            let slot = scheduler.pick(step, &mut runnable).unwrap();
            runnable.remove(slot);
            order.push(slot);
            turns[slot as usize] += 1;
            if turns[slot as usize] < 3 {
                runnable.insert(slot);
            }
        }
        assert_eq!(turns, [3; 4], "{order:?}");
        order
    }

    #[test]
    fn a_run_with_one_delay_is_the_plain_one_but_for_one_task() {
        let plain: Vec<u32> = (0..12).map(|turn| turn % 4).collect();
        let mut differ = 0;
        for seed in 0..100 {
            let order = order(1, seed);
            // Without one of the tasks, the others run as they would.
            let is_plain = |without: u32| {
                let of = |order: &[u32]| -> Vec<u32> {
                    let others = order.iter().copied();
                    others.filter(|slot| *slot != without).collect()
                };
                of(&order) == of(&plain)
            };
            assert!((0..4).any(is_plain), "{order:?}");
            differ += usize::from(order != plain);
        }
        assert!(differ > 60, "{differ} of 100");
    }

    #[test]
    fn more_delays_give_more_orders() {
        let orders = |count: u64| {
            let orders = (0..300).map(|seed| order(count, seed));
            orders.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert!(orders(1) <= 13 && orders(2) > 30 && orders(4) > orders(2));
    }
}
