//! A live recording as a script: what took place in each step, one after the other.

use std::collections::{BTreeMap, VecDeque};

use retake_traces::TraceError;
use retake_traces::event::{EventBuilder, Events, Occurrence};
use retake_traces::live::{Live, Piece, StepEnd};
use retake_traces::record::{Record, Step, StepKind};

/// A value with its name.
pub(crate) type NamedValue = (String, Vec<u8>);

/// One recorded step, and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// Since the start of the recording.
    pub(crate) at_ns: u64,
    pub(crate) step: Step,
    pub(crate) text: Option<String>,
    /// Actors that took their next message before this step.
    pub(crate) taken: VecDeque<u32>,
    /// Labels of the tasks that appeared, in order.
    pub(crate) started: Vec<String>,
    pub(crate) input: Option<NamedValue>,
    pub(crate) external: VecDeque<NamedValue>,
    pub(crate) output: VecDeque<NamedValue>,
    /// Further pieces belong to the last external value, and to the last output.
    is_open: [bool; 2],
    pub(crate) end: StepEnd,
}

/// Where a script ends.
#[derive(Debug)]
pub(crate) enum ScriptEnd {
    /// Where the recording was finished.
    Whole,
    /// Before the recorded process did, and why.
    Gap(String),
    /// The file has no end: the process was killed, for example.
    Cut(TraceError),
}

/// Which of the callbacks of each actor came before the messages in its mailbox.
///
/// An actor that is to handle a message may take it as soon as it is there: nothing that
/// was more urgent can have been there. One that is to hear of something urgent takes that
/// when the recorded one did, with everything that had come by then.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mailboxes(BTreeMap<u32, Callbacks>);

#[derive(Clone, Debug, Default)]
struct Callbacks {
    all: u32,
    /// Their places among all, in order.
    urgent: Vec<u32>,
    /// The number that have started in the replay.
    begun: u32,
}

impl Mailboxes {
    /// Take in a record of a recording.
    pub(crate) fn add(&mut self, record: &Record) {
        let Record::Step(step) = record else { return };
        if matches!(step.kind, StepKind::Resume | StepKind::Task) {
            return;
        }
        let callbacks = self.0.entry(step.task).or_default();
        if matches!(step.kind, StepKind::Supervision | StepKind::PostStop) {
            callbacks.urgent.push(callbacks.all);
        }
        callbacks.all += 1;
    }

    /// A callback of this task begins.
    pub(crate) fn begin(&mut self, task: u32) {
        self.0.entry(task).or_default().begun += 1;
    }

    /// Whether the next callback of this task is to handle a message.
    pub(crate) fn is_message_next(&self, task: u32) -> bool {
        self.0.get(&task).is_some_and(|callbacks| {
            let next = callbacks.begun;
            next < callbacks.all && callbacks.urgent.binary_search(&next).is_err()
        })
    }
}

type Records = Box<dyn Iterator<Item = Result<Record, TraceError>> + Send>;

pub(crate) struct Script {
    events: Events<Records>,
    /// Read, and part of the next step.
    taken: VecDeque<u32>,
    started: Vec<String>,
    end: Option<ScriptEnd>,
}

impl Script {
    pub(crate) fn new(records: Records) -> Self {
        Self {
            events: Events::new(records, EventBuilder::new()),
            taken: VecDeque::new(),
            started: Vec::new(),
            end: None,
        }
    }

    /// How it ended, when there is no next step.
    pub(crate) fn end(&self) -> Option<&ScriptEnd> {
        self.end.as_ref()
    }

    /// The next step that was recorded as a whole.
    pub(crate) fn next(&mut self) -> Option<Act> {
        let mut act: Option<Act> = None;
        while self.end.is_none() {
            let event = match self.events.next() {
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    self.end = Some(ScriptEnd::Cut(error));
                    return None;
                }
                None => {
                    self.end = Some(ScriptEnd::Whole);
                    return None;
                }
            };
            match event.occurrence {
                Occurrence::Step(step) => {
                    act = Some(Act {
                        at_ns: event.now_ns,
                        step,
                        text: event.detail,
                        taken: VecDeque::new(),
                        started: Vec::new(),
                        input: None,
                        external: VecDeque::new(),
                        output: VecDeque::new(),
                        is_open: [false; 2],
                        end: StepEnd::Pending,
                    });
                }
                Occurrence::Task(task) => self.started.push(task.label.to_string()),
                Occurrence::Live(live) => {
                    if let Some(end) = self.take(*live, act.as_mut())
                        && let Some(mut act) = act.take()
                    {
                        act.end = end;
                        act.taken = std::mem::take(&mut self.taken);
                        act.started = std::mem::take(&mut self.started);
                        return Some(act);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn take(&mut self, live: Live, act: Option<&mut Act>) -> Option<StepEnd> {
        match (live, act) {
            (Live::End(end), _) => return Some(end),
            (Live::Gap(why), _) => self.end = Some(ScriptEnd::Gap(why)),
            // Only between steps: see the recorder.
            (Live::Took { task }, _) => self.taken.push_back(task),
            (Live::Input(piece), Some(act)) => {
                let (name, bytes) = act.input.get_or_insert_default();
                *name = piece.name;
                bytes.extend(piece.bytes);
            }
            (Live::External(piece), Some(act)) => {
                append(&mut act.external, &mut act.is_open[0], piece);
            }
            (Live::Output(piece), Some(act)) => append(&mut act.output, &mut act.is_open[1], piece),
            (Live::Start(_) | Live::Input(_) | Live::External(_) | Live::Output(_), _) => {}
        }
        None
    }
}

/// Add a piece to the last value, if that is open, or as a new one.
fn append(values: &mut VecDeque<NamedValue>, is_open: &mut bool, piece: Piece) {
    match values.back_mut() {
        Some((_, bytes)) if *is_open => bytes.extend(piece.bytes),
        _ => values.push_back((piece.name, piece.bytes)),
    }
    *is_open = piece.more;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_together_of_their_pieces_whatever_their_names() {
        let piece = |name: &str, byte: u8, more: bool| Piece {
            name: name.to_owned(),
            bytes: vec![byte],
            more,
        };
        let (mut values, mut is_open) = (VecDeque::new(), false);
        for piece in [
            piece("a\0more", 1, false),
            piece("b", 2, true),
            piece("b", 3, true),
            piece("b", 4, false),
            piece("a\0more", 5, true),
            piece("a\0more", 6, false),
            piece("", 7, false),
        ] {
            append(&mut values, &mut is_open, piece);
        }
        let value = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
        let expected = [
            value("a\0more", &[1]),
            value("b", &[2, 3, 4]),
            value("a\0more", &[5, 6]),
            value("", &[7]),
        ];
        assert_eq!(values, expected);
    }
}
