//! The timeline of one run, from its records.

use std::sync::{Arc, Mutex, PoisonError};

use retake_traces::error::TraceError;
use retake_traces::label::Label;
use retake_traces::record::{Record, Step, StepKind, Task};
use retake_traces::sink::Sink;
use xxhash_rust::xxh3::xxh3_64;

/// Where the timeline of a run is, once the run has ended. Clones share it.
#[derive(Clone, Debug, Default)]
pub(in crate::explore) struct TimelineSlot(Arc<Mutex<Option<u64>>>);

impl TimelineSlot {
    /// The timeline; none of a run that has not ended, or that has handled no message.
    pub(in crate::explore) fn get(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, timeline: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = timeline;
    }
}

/// Passes records on, and computes the timeline of their run.
///
/// The records need the step that sent each message ([`retake_traces::Layers::causality`]);
/// without it all messages have one unknown sender.
#[derive(Debug)]
pub(in crate::explore) struct TimelineSink<S> {
    sink: S,
    timeline: Timeline,
    slot: TimelineSlot,
}

impl<S: Sink> TimelineSink<S> {
    /// The timeline goes to `slot`.
    pub(in crate::explore) fn new(sink: S, slot: &TimelineSlot) -> Self {
        Self {
            sink,
            timeline: Timeline::default(),
            slot: slot.clone(),
        }
    }
}

impl<S: Sink> Sink for TimelineSink<S> {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        self.timeline.add(record);
        if matches!(record, Record::End(_)) {
            self.slot.set(self.timeline.value());
        }
        self.sink.record(record)
    }

    fn event_hash(&self) -> u64 {
        self.sink.event_hash()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.sink.finish()
    }
}

/// What each receiver has handled so far.
#[derive(Clone, Debug, Default)]
struct Timeline {
    /// By the task's number.
    receivers: Vec<Receiver>,
    /// The task of each step.
    steps: Vec<u32>,
    /// What the last step handles; its cause may follow.
    open: Option<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Receiver {
    /// Hash of the label.
    label: u64,
    /// Hash of the label without the number of the incarnation.
    base: u64,
    /// Hash of what was handled, in order; 0 if nothing was.
    order: u64,
}

/// The sender of a message that no step has sent.
const UNKNOWN: u64 = 0;

impl Timeline {
    fn add(&mut self, record: &Record) {
        match record {
            Record::Step(step) => {
                self.close(UNKNOWN);
                self.steps.push(step.task);
                let is_handled = matches!(step.kind, StepKind::Handle | StepKind::Supervision);
                self.open = is_handled.then_some(*step);
            }
            Record::Cause(step) => {
                let sender = usize::try_from(*step).ok().and_then(|it| it.checked_sub(1));
                let sender = sender.and_then(|step| self.steps.get(step));
                let sender = sender.and_then(|task| self.receivers.get(*task as usize));
                let base = sender.map_or(UNKNOWN, |it| it.base);
                self.close(base);
            }
            Record::Task(Task { label, .. }) => {
                let Label { name, incarnation } = label;
                let base = xxh3_64(name.as_bytes());
                let label = mix([base, u64::from(*incarnation), 0]);
                self.receivers.push(Receiver {
                    label,
                    base,
                    order: 0,
                });
            }
            Record::End(_) => self.close(UNKNOWN),
            _ => {}
        }
    }

    /// The open step has this sender.
    fn close(&mut self, sender: u64) {
        let Some(step) = self.open.take() else { return };
        // The cause of an event of a child is what woke its supervisor: no sender.
        let sender = match step.kind {
            StepKind::Handle => sender,
            _ => UNKNOWN,
        };
        if let Some(receiver) = self.receivers.get_mut(step.task as usize) {
            let kind = (step.kind as u64) << 32 | u64::from(step.message);
            receiver.order = mix([receiver.order, kind, sender]);
        }
    }

    /// The same in whatever order receivers were started and took turns; none if no message
    /// was handled.
    fn value(&self) -> Option<u64> {
        let handled = self.receivers.iter().filter(|it| it.order != 0);
        let hashes = handled.map(|it| mix([it.label, it.order, 0]));
        hashes.reduce(u64::wrapping_add)
    }
}

fn mix(numbers: [u64; 3]) -> u64 {
    let mut bytes = [0; 24];
    for (place, number) in numbers.into_iter().enumerate() {
        bytes[8 * place..8 * (place + 1)].copy_from_slice(&number.to_le_bytes());
    }
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use retake_traces::record::{Choice, TaskKind};

    use super::*;

    fn task(id: u32, label: &str) -> Record {
        Record::Task(Task {
            id,
            kind: TaskKind::Actor,
            label: label.into(),
            parent: None,
        })
    }

    fn step(task: u32, kind: StepKind, message: u16, elapsed_ns: u64) -> Record {
        Record::Step(Step {
            elapsed_ns,
            task,
            kind,
            message,
            choice: Choice::Fifo,
        })
    }

    /// The timeline of a server, another one and two clients, which take these steps.
    fn timeline(steps: &[Record]) -> Option<u64> {
        let labels = ["server", "other", "client", "client#2"];
        let mut timeline = Timeline::default();
        for (id, label) in (0..).zip(labels) {
            timeline.add(&task(id, label));
        }
        // Steps 1 and 2 are of the clients.
        for client in [2, 3] {
            timeline.add(&step(client, StepKind::Task, 0, 0));
        }
        for record in steps {
            timeline.add(record);
        }
        timeline.close(UNKNOWN);
        timeline.value()
    }

    #[test]
    fn each_receiver_has_an_order_of_its_own() {
        let handles = |receiver, message| step(receiver, StepKind::Handle, message, 0);
        let (a, b, other) = (handles(0, 1), handles(0, 2), handles(1, 1));
        let first = timeline(&[a.clone(), b.clone(), other.clone()]);
        assert_eq!(first, timeline(&[other.clone(), a.clone(), b.clone()]));
        assert_eq!(first, timeline(&[a.clone(), other.clone(), b.clone()]));
        assert_ne!(first, timeline(&[b.clone(), a.clone(), other.clone()]));
        assert_ne!(first, timeline(&[a.clone(), a.clone(), b.clone(), other]));
        assert_ne!(timeline(&[a, b]), first);
    }

    #[test]
    fn values_times_and_incarnations_of_senders_make_no_difference() {
        let sent = |by: u64, elapsed_ns| {
            let handled = step(0, StepKind::Handle, 1, elapsed_ns);
            timeline(&[handled, Record::Cause(by)])
        };
        assert_eq!(sent(1, 0), sent(2, 7));
        // Step 3 is of the server itself.
        assert_ne!(sent(1, 0), sent(3, 0));
        assert_ne!(sent(1, 0), timeline(&[step(0, StepKind::Handle, 1, 0)]));
        // A step that does not exist is in forged records only.
        assert_eq!(sent(0, 0), sent(u64::MAX, 0));
    }

    #[test]
    fn a_run_in_which_nothing_is_handled_has_none() {
        assert_eq!(timeline(&[]), None);
        assert_eq!(timeline(&[step(0, StepKind::Resume, 1, 0)]), None);
        assert!(timeline(&[step(0, StepKind::Supervision, 1, 0)]).is_some());
    }
}
