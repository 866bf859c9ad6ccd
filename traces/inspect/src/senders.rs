//! What is to be known of a step when a message that it sent is handled, maybe much later.

use std::collections::BTreeMap;

use crate::entries::Entry;

/// Keeps a value for each step until the last of its messages has been handled.
///
/// A first reading counts the messages, so only what will be asked for is kept: the
/// messages under way, and a byte for each step.
#[derive(Clone, Debug)]
pub(crate) struct Senders<T> {
    /// By step, from the first one: messages of it that are still to be handled.
    uses: Vec<u8>,
    first: Option<u64>,
    kept: BTreeMap<u64, T>,
}

impl<T> Default for Senders<T> {
    fn default() -> Self {
        Self {
            uses: Vec::new(),
            first: None,
            kept: BTreeMap::new(),
        }
    }
}

impl<T: Clone> Senders<T> {
    /// Of the first reading: all steps, in order.
    pub(crate) fn survey(&mut self, entry: &Entry) {
        let event = &entry.event;
        if event.is_step() {
            self.first.get_or_insert(event.step);
            self.uses.push(0);
        }
        if let Some(uses) = event.earlier_cause().and_then(|cause| self.uses_of(cause)) {
            *uses = uses.saturating_add(1);
        }
    }

    fn uses_of(&mut self, step: u64) -> Option<&mut u8> {
        let place = step.checked_sub(self.first?)?;
        self.uses.get_mut(usize::try_from(place).ok()?)
    }

    /// Keep this, if `step` sends a message that is handled.
    pub(crate) fn put(&mut self, step: u64, value: impl FnOnce() -> T) {
        if self.uses_of(step).is_some_and(|uses| *uses > 0) {
            self.kept.insert(step, value());
        }
    }

    /// What was kept for the sender of the message that this entry handles. To be
    /// asked once for each message.
    pub(crate) fn of(&mut self, entry: &Entry) -> Option<T> {
        let cause = entry.event.earlier_cause()?;
        let uses = self.uses_of(cause)?;
        // So many that they were not counted: kept to the end.
        if *uses < u8::MAX {
            *uses = uses.saturating_sub(1);
        }
        if *uses == 0 {
            self.kept.remove(&cause)
        } else {
            self.kept.get(&cause).cloned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use retake_traces::event::{Occurrence, WholeEvent};
    use retake_traces::record::{Choice, Step, StepKind};

    fn step(number: u64, cause: Option<u64>) -> Entry {
        Entry {
            event: WholeEvent {
                step: number,
                now_ns: 0,
                task: Some(0),
                who: "a".into(),
                occurrence: Occurrence::Step(Step {
                    elapsed_ns: 0,
                    task: 0,
                    kind: StepKind::Handle,
                    message: 0,
                    choice: Choice::Fifo,
                }),
                detail: None,
                cause,
                child: None,
                state: None,
            },
            shown: true,
        }
    }

    #[test]
    fn a_value_is_kept_until_the_last_of_its_messages_is_handled() {
        let steps = [
            step(5, None),
            step(6, Some(5)),
            step(7, Some(5)),
            step(8, None),
            // From before the first, and made up.
            step(9, Some(2)),
            step(10, Some(u64::MAX)),
        ];
        let mut senders = Senders::default();
        for step in &steps {
            senders.survey(step);
        }
        assert_eq!(senders.uses.len(), steps.len());
        for (place, step) in steps.iter().enumerate() {
            let found = senders.of(step);
            assert_eq!(found.is_some(), place == 1 || place == 2, "{step:?}");
            senders.put(step.event.step, || step.event.step);
            assert_eq!(senders.kept.len(), usize::from(place < 2), "{step:?}");
        }
    }

    #[test]
    fn messages_beyond_counting_lose_nothing() {
        let mut steps = vec![step(1, None)];
        steps.extend((2..1_000).map(|number| step(number, Some(1))));
        let mut senders = Senders::default();
        for step in &steps {
            senders.survey(step);
        }
        senders.put(1, || 'x');
        assert!(steps[1..].iter().all(|step| senders.of(step) == Some('x')));
    }
}
