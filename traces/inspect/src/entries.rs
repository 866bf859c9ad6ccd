//! The lines of a trace with the tasks that they are about: what exports and the causal
//! comparison read.

use std::collections::VecDeque;
use std::path::Path;

use crate::story::{Line, Teller};
use retake_traces::error::TraceError;
use retake_traces::reader::{Position, TraceReader};
use retake_traces::record::{Record, State};

/// Which part of a run is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// From this step on.
    pub from: u64,
    /// Up to this step.
    pub to: u64,
    /// Only about these; without an incarnation number, about all incarnations. Empty
    /// means everything.
    pub actors: Vec<String>,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            from: 0,
            to: u64::MAX,
            actors: Vec::new(),
        }
    }
}

impl Selection {
    fn shows(&self, line: &Line) -> bool {
        self.actors.is_empty()
            || line.who.is_empty()
            || self.actors.iter().any(|name| line.is_about(name))
    }
}

/// One line of the story, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line.
    pub line: Line,
    /// The task that it is about; of a logged line, the one that logged it.
    pub task: Option<u32>,
    /// False for what the selection leaves out: passed on because it may carry causes.
    pub shown: bool,
}

impl Entry {
    /// The step that sent the message, if it is one that came before.
    #[must_use]
    pub fn cause(&self) -> Option<u64> {
        // What is no step comes after the one that it has the number of.
        let last = self.line.step - u64::from(self.is_step());
        self.line.cause.filter(|cause| (1..=last).contains(cause))
    }

    /// True for a turn of a task.
    #[must_use]
    pub fn is_step(&self) -> bool {
        matches!(self.line.record, Record::Step(_))
    }
}

/// The selected entries of a trace.
pub(crate) struct Entries<'a> {
    pub(crate) reader: TraceReader,
    teller: Teller,
    selection: &'a Selection,
    /// The task of the last step.
    running: Option<u32>,
    /// Read and not passed on yet.
    next: VecDeque<Entry>,
    /// States that belong to the line that comes next.
    states: Vec<Entry>,
    ended: bool,
}

/// States that wait for the line before them at one time.
const STATES_MAX: usize = 16;

impl<'a> Entries<'a> {
    pub(crate) fn open(
        path: &Path,
        selection: &'a Selection,
    ) -> Result<(Position, Self), TraceError> {
        let mut reader = TraceReader::open(path)?;
        let mut position = Position::default();
        let mut teller = Teller::new();
        if selection.from > 1 {
            position = reader.seek_to_step(selection.from)?;
            teller = Teller::at(&position);
        }
        let mut entries = Self {
            reader,
            teller,
            selection,
            running: None,
            next: VecDeque::new(),
            states: Vec::new(),
            ended: false,
        };
        if selection.from <= 1 {
            return Ok((position, entries));
        }
        // The block begins before the step that is wanted.
        while let Some(entry) = entries.next()? {
            if entry.line.step >= selection.from {
                entries.next.push_front(entry);
                break;
            }
            position.now_ns = entry.line.now_ns;
            if let Record::Task(task) = entry.line.record {
                position.tasks.push(task);
            }
        }
        Ok((position, entries))
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TraceError> {
        if let Some(next) = self.next.pop_front() {
            return Ok(Some(next));
        }
        while !self.ended {
            let line = match self.reader.next().transpose()? {
                Some(Record::State(state)) => {
                    self.states.push(self.of_state(state));
                    // Nothing more comes to a line that so many states follow.
                    let is_last = self.states.len() >= STATES_MAX;
                    if is_last { self.teller.finish() } else { None }
                }
                Some(record) => self.teller.tell(&record),
                None => {
                    self.ended = true;
                    self.teller.finish()
                }
            };
            let states = match (&line, self.states.len() >= STATES_MAX || self.ended) {
                (None, false) => continue,
                _ => std::mem::take(&mut self.states),
            };
            let line = line.map(|line| self.of_line(line));
            self.next.extend(line.into_iter().chain(states));
            // They are all of one step or of the one before.
            let to = self.selection.to;
            if self.next.iter().any(|entry| entry.line.step > to) {
                self.next.retain(|entry| entry.line.step <= to);
                self.ended = true;
            }
            if let Some(next) = self.next.pop_front() {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    fn of_state(&self, state: State) -> Entry {
        let line = Line {
            step: self.teller.step(),
            now_ns: self.teller.now_ns(),
            who: self.teller.label(state.task),
            detail: None,
            cause: None,
            child: None,
            record: Record::State(state),
            note: None,
        };
        self.of_line_about(line, None)
    }

    fn of_line(&mut self, line: Line) -> Entry {
        if let Record::Step(step) = &line.record {
            self.running = Some(step.task);
        }
        self.of_line_about(line, self.running)
    }

    fn of_line_about(&self, line: Line, running: Option<u32>) -> Entry {
        let task = match &line.record {
            Record::Step(step) => Some(step.task),
            Record::State(state) => Some(state.task),
            Record::Unhandled(message) => Some(message.task),
            Record::Ended(ended) => Some(ended.task),
            Record::Task(task) => Some(task.id),
            Record::Fault(fault) => Some(fault.task),
            Record::Panic(panic) => Some(panic.task),
            Record::Event(_) | Record::Live(_) => running,
            Record::End(_) | Record::Detail(_) | Record::Cause(_) | Record::Child(_) => None,
        };
        let shown = self.selection.shows(&line);
        Entry { line, task, shown }
    }
}
