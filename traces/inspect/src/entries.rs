//! The events of a part of a trace: what exports and the causal comparison read.

use std::path::Path;

use retake_traces::error::TraceError;
use retake_traces::event::{Events, Occurrence, WholeEvent};
use retake_traces::header::Header;
use retake_traces::reader::{Position, TraceReader};

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
    fn shows(&self, event: &WholeEvent) -> bool {
        self.actors.is_empty()
            || event.who.is_empty()
            || self.actors.iter().any(|name| event.is_about(name))
    }
}

/// One event, and whether it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub event: WholeEvent,
    /// False for what the selection leaves out: passed on because it may carry causes.
    pub shown: bool,
}

/// The selected entries of a trace.
pub(crate) struct Entries<'a> {
    events: Events<TraceReader>,
    selection: &'a Selection,
    /// The first one that is wanted, where it was read to find it.
    first: Option<WholeEvent>,
    ended: bool,
}

impl<'a> Entries<'a> {
    pub(crate) fn open(
        path: &Path,
        selection: &'a Selection,
    ) -> Result<(Position, Self), TraceError> {
        let reader = TraceReader::open(path)?;
        let is_part = selection.from > 1;
        let (mut position, events) = if is_part {
            reader.events_around(selection.from)?
        } else {
            (Position::default(), reader.events())
        };
        let mut entries = Self {
            events,
            selection,
            first: None,
            ended: false,
        };
        // The block begins before the step that is wanted.
        while is_part && let Some(event) = entries.next_event()? {
            if event.step >= selection.from {
                entries.first = Some(event);
                break;
            }
            position.now_ns = event.now_ns;
            if let Occurrence::Task(task) = event.occurrence {
                position.tasks.push(task);
            }
        }
        Ok((position, entries))
    }

    pub(crate) fn header(&self) -> &Header {
        self.events.records().header()
    }

    /// The next event up to the last that is wanted.
    fn next_event(&mut self) -> Result<Option<WholeEvent>, TraceError> {
        while !self.ended {
            match self.events.next().transpose()? {
                Some(event) if event.step <= self.selection.to => {
                    // The state at the end has no line, and is exported.
                    if event.has_line() || matches!(event.occurrence, Occurrence::State(_)) {
                        return Ok(Some(event));
                    }
                }
                _ => self.ended = true,
            }
        }
        Ok(None)
    }

    pub(crate) fn next(&mut self) -> Result<Option<Entry>, TraceError> {
        let event = match self.first.take() {
            Some(first) => Some(first),
            None => self.next_event()?,
        };
        Ok(event.map(|event| Entry {
            shown: self.selection.shows(&event),
            event,
        }))
    }
}
