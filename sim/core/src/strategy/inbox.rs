//! Largest inbox first.
//!
//! One of the strategies that Mukherjee, Deligiannis, Biswas, Lal compare in "Learning-Based
//! Controlled Concurrency Testing", OOPSLA 2020: the actor for which most messages wait runs next.
//! Messages never pile up where it can be avoided, and tasks for which few wait are late.
//!
//! It needs a simulator that knows how many messages wait. Where nothing is known, all tasks are
//! alike, and each runs with equal probability.
//!
//! A task that yields counts as one without messages until it has run again, in addition to the
//! published strategy: if it yields until another task has run, the program would not end
//! otherwise.

use super::Scheduler;
use crate::random::{Random, below};
use crate::runnable::Runnable;
use crate::task::NewTask;

/// Runs a task for which most messages wait, see the module documentation.
#[derive(Debug)]
pub struct LargestInbox<R> {
    rng: R,
    /// By slot.
    inboxes: Vec<Inbox>,
    /// Tasks with the largest inbox; kept for its memory.
    largest: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Inbox {
    messages: u32,
    has_yielded: bool,
}

impl<R: Random> LargestInbox<R> {
    /// Chooses between equal inboxes by this stream.
    #[must_use]
    pub fn new(rng: R) -> Self {
        Self {
            rng,
            inboxes: Vec::new(),
            largest: Vec::new(),
        }
    }

    fn inbox(&mut self, slot: u32) -> &mut Inbox {
        let index = slot as usize;
        if index >= self.inboxes.len() {
            self.inboxes.resize(index + 1, Inbox::default());
        }
        &mut self.inboxes[index]
    }

    fn counted(&self, slot: u32) -> u32 {
        let inbox = self.inboxes.get(slot as usize).copied();
        let inbox = inbox.filter(|inbox| !inbox.has_yielded);
        inbox.map_or(0, |inbox| inbox.messages)
    }
}

impl<R: Random> Scheduler for LargestInbox<R> {
    fn started(&mut self, task: &NewTask<'_>) {
        *self.inbox(task.slot) = Inbox::default();
    }

    fn counts_messages(&self) -> bool {
        true
    }

    fn messages_wait(&mut self, slot: u32, count: u32) {
        self.inbox(slot).messages = count;
    }

    fn yielded(&mut self, slot: u32) {
        self.inbox(slot).has_yielded = true;
    }

    fn pick(&mut self, _step: u64, runnable: &mut Runnable) -> Option<u32> {
        let mut largest = std::mem::take(&mut self.largest);
        let mut messages = 0;
        largest.clear();
        for slot in runnable.slots() {
            let counted = self.counted(slot);
            if counted > messages {
                largest.clear();
                messages = counted;
            }
            if counted == messages {
                largest.push(slot);
            }
        }
        let chosen = match largest.len() {
            1 => largest[0],
            count => largest[below(&mut self.rng, count)],
        };
        self.largest = largest;
        self.inbox(chosen).has_yielded = false;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::tests::SplitMix;

    /// The order in which tasks with these numbers of messages take one in each step.
    fn order(mut messages: Vec<u32>, seed: u64) -> Vec<u32> {
        let mut inboxes = LargestInbox::new(SplitMix(seed));
        let mut runnable = Runnable::default();
        for (slot, count) in (0..).zip(&messages) {
            inboxes.messages_wait(slot, *count);
            runnable.insert(slot);
        }
        let mut order = Vec::new();
        while !runnable.is_empty() {
            let slot = inboxes.pick(1, &mut runnable).expect("some can run");
            order.push(slot);
            runnable.remove(slot);
            let left = &mut messages[slot as usize];
            *left -= 1;
            inboxes.messages_wait(slot, *left);
            if *left > 0 {
                runnable.insert(slot);
            }
        }
        order
    }

    #[test]
    fn the_task_with_most_messages_runs_until_others_have_as_many() {
        for seed in 0..50 {
            let order = order(vec![1, 5, 2], seed);
            assert_eq!(order[..3], [1, 1, 1], "seed {seed}");
            let mut next = order[3..5].to_vec();
            next.sort_unstable();
            assert_eq!(next, [1, 2], "two have two messages: seed {seed}");
            let mut last = order[5..].to_vec();
            last.sort_unstable();
            assert_eq!(last, [0, 1, 2], "all have one: seed {seed}");
        }
    }

    #[test]
    fn between_equal_inboxes_each_is_chosen_as_often() {
        let mut firsts = [0; 5];
        for seed in 0..4_000 {
            firsts[order(vec![3, 1, 3, 3, 3], seed)[0] as usize] += 1;
        }
        assert_eq!(firsts[1], 0);
        let others = [firsts[0], firsts[2], firsts[3], firsts[4]];
        assert!(
            others.iter().all(|count| (900..1_100).contains(count)),
            "{firsts:?}"
        );
    }

    #[test]
    fn without_any_knowledge_of_messages_it_is_random() {
        let mut inboxes = LargestInbox::new(SplitMix(3));
        let mut runnable = Runnable::default();
        (0..4).for_each(|slot| runnable.insert(slot * 70));
        let mut counts = [0; 4];
        for step in 1..=4_000 {
            let slot = inboxes.pick(step, &mut runnable).expect("four can run");
            counts[slot as usize / 70] += 1;
        }
        assert!(
            counts.iter().all(|count| (900..1_100).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_task_that_yields_runs_after_those_with_messages() {
        for seed in 0..20 {
            let mut inboxes = LargestInbox::new(SplitMix(seed));
            let mut runnable = Runnable::default();
            (0..3).for_each(|slot| runnable.insert(slot));
            (0..3).for_each(|slot| inboxes.messages_wait(slot, 3 - slot));
            inboxes.yielded(0);
            for slot in [1, 2, 0] {
                assert_eq!(inboxes.pick(1, &mut runnable), Some(slot));
                runnable.remove(slot);
            }
            runnable.insert(0);
            runnable.insert(1);
            assert_eq!(inboxes.pick(1, &mut runnable), Some(0), "it has run");
        }
    }

    #[test]
    fn a_task_in_the_slot_of_another_one_has_none_of_its_messages() {
        let mut inboxes = LargestInbox::new(SplitMix(1));
        let mut runnable = Runnable::default();
        inboxes.messages_wait(0, 9);
        inboxes.messages_wait(1, 1);
        inboxes.started(&NewTask {
            slot: 0,
            serial: 7,
            kind: crate::task::TaskKind::Task,
            label: &"",
        });
        runnable.insert(0);
        runnable.insert(1);
        assert_eq!(inboxes.pick(1, &mut runnable), Some(1));
    }
}
