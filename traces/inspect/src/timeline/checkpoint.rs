//! How things stood at a bounded number of places of the trace.
//!
//! A checkpoint holds what the records after it are needed to know: of each task that
//! steps again, when it will; and the messages that are sent and not yet handled. Both
//! are known only when the later step is read, and added to the checkpoints before it
//! then. What does not change any more after a checkpoint is not in it: it is known from
//! the end of the run.

use std::collections::BTreeMap;

use retake_traces::record::StepKind;

/// Of a task that steps again after a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its last step before, 0 for none.
    pub(super) last_step: u64,
    /// The last step before that recorded its state, 0 for none.
    pub(super) state: u64,
    /// Its next step.
    pub(super) next_step: u64,
    /// Its next step that begins a callback, 0 for none.
    pub(super) next_callback: u64,
    /// That one records a state: another than the last.
    pub(super) changes: bool,
}

/// A message on its way, or what else one step has led to in another: a start, a waking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) to: u32,
    /// The step that sent it.
    pub(super) sent: u64,
    /// The step that handles it.
    pub(super) handled: u64,
    /// It waits in a mailbox: it is a message, or an event of another actor.
    pub(super) is_queued: bool,
}

/// Whether what leads to such a step waits in a mailbox.
pub(super) fn is_queued(kind: StepKind) -> bool {
    matches!(kind, StepKind::Handle | StepKind::Supervision)
}

#[derive(Clone, Debug, Default)]
pub(super) struct Checkpoint {
    pub(super) step: u64,
    pub(super) entries: BTreeMap<u32, Entry>,
    /// In the order in which they are handled.
    pub(super) messages: Vec<Message>,
}

/// Checkpoints in order; the first is at step 0.
#[derive(Debug)]
pub(super) struct Checkpoints {
    all: Vec<Checkpoint>,
    /// Every how many blocks there is one.
    stride: u64,
    /// Entries and messages in all of them.
    size: usize,
    count_max: usize,
    size_max: usize,
}

impl Checkpoints {
    pub(super) fn new(count_max: usize, size_max: usize) -> Self {
        Self {
            all: Vec::new(),
            stride: 1,
            size: 0,
            count_max: count_max.max(2),
            size_max,
        }
    }

    /// A block begins.
    pub(super) fn block(&mut self, number: u64, step: u64) {
        if !number.is_multiple_of(self.stride) {
            return;
        }
        if self.all.len() == self.count_max {
            self.thin_out();
            if !number.is_multiple_of(self.stride) {
                return;
            }
        }
        self.all.push(Checkpoint {
            step,
            ..Checkpoint::default()
        });
    }

    fn thin_out(&mut self) {
        self.stride *= 2;
        let mut place = 0;
        self.all.retain(|_| {
            place += 1;
            place % 2 == 1
        });
        self.size = self
            .all
            .iter()
            .map(|checkpoint| checkpoint.entries.len() + checkpoint.messages.len())
            .sum();
    }

    fn thin_out_if_large(&mut self) {
        while self.size > self.size_max && self.all.len() > 1 {
            self.thin_out();
        }
    }

    /// Those from a step to before another one, the latest first.
    fn between(&mut self, from: u64, to: u64) -> impl Iterator<Item = &mut Checkpoint> {
        self.all
            .iter_mut()
            .rev()
            .skip_while(move |checkpoint| checkpoint.step >= to)
            .take_while(move |checkpoint| checkpoint.step >= from)
    }

    /// A task steps, for the first time since `from`.
    pub(super) fn step(&mut self, task: u32, from: u64, entry: Entry) {
        let mut added = 0;
        for checkpoint in self.between(from, entry.next_step) {
            checkpoint.entries.insert(task, entry);
            added += 1;
        }
        self.size += added;
        self.thin_out_if_large();
    }

    /// That step begins a callback, the first since `from`.
    pub(super) fn callback(&mut self, task: u32, from: u64, step: u64, changes: bool) {
        for checkpoint in self.between(from, step) {
            if let Some(entry) = checkpoint.entries.get_mut(&task) {
                entry.next_callback = step;
                entry.changes = changes;
            }
        }
    }

    pub(super) fn message(&mut self, message: Message) {
        let mut added = 0;
        for checkpoint in self.between(message.sent, message.handled) {
            checkpoint.messages.push(message);
            added += 1;
        }
        self.size += added;
        self.thin_out_if_large();
    }

    /// Their steps, in order.
    pub(super) fn steps(&self) -> impl Iterator<Item = u64> {
        self.all.iter().map(|checkpoint| checkpoint.step)
    }

    /// The last one at or before a step.
    pub(super) fn before(&self, step: u64) -> Option<&Checkpoint> {
        let after = self.all.partition_point(|it| it.step <= step);
        self.all.get(after.checked_sub(1)?)
    }

    /// The first one at or after a step.
    pub(super) fn after(&self, step: u64) -> Option<&Checkpoint> {
        let first = self.all.partition_point(|it| it.step < step);
        self.all.get(first)
    }
}
