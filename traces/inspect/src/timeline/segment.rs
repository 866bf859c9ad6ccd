//! Parts of the file, read again when they are looked at.

use std::collections::VecDeque;
use std::sync::Arc;

use super::located::LocatedEvents;
use retake_traces::error::TraceError;
use retake_traces::event::{EventBuilder, Occurrence, WholeEvent};
use retake_traces::reader::TraceReader;
use retake_traces::record::{State, UnhandledMessage};

/// Parts that are kept in memory.
const KEPT_MAX: usize = 24;

/// Where a block begins, or the first of a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    /// Steps before.
    pub(super) steps: u64,
    /// Virtual time before.
    pub(super) now_ns: u64,
    /// The task of the last step before.
    pub(super) running: Option<u32>,
}

/// A part of the file: the events that begin from one place to the next.
#[derive(Debug, Default)]
pub(super) struct Segment {
    /// Those that have a line.
    pub(super) events: Vec<WholeEvent>,
    /// The states at the end of the run.
    pub(super) end_states: Vec<State>,
}

impl Segment {
    fn add(&mut self, event: WholeEvent) {
        if event.has_line() {
            self.events.push(event);
        } else if let Occurrence::State(state) = event.occurrence {
            self.end_states.push(state);
        }
    }

    /// A step.
    pub(super) fn step(&self, step: u64) -> Option<&WholeEvent> {
        let first = self.events.partition_point(|event| event.step < step);
        let here = self.events[first..].iter();
        here.take_while(|event| event.step == step)
            .find(|event| event.is_step())
    }

    /// The messages that were never handled.
    pub(super) fn unhandled(&self) -> impl Iterator<Item = &UnhandledMessage> {
        self.events
            .iter()
            .filter_map(|event| match &event.occurrence {
                Occurrence::Unhandled(message) => Some(message),
                _ => None,
            })
    }
}

/// Reads segments, and keeps the last few.
#[derive(Debug)]
pub(super) struct Segments {
    reader: TraceReader,
    places: Vec<Place>,
    labels: Arc<[Arc<str>]>,
    /// The file is good up to some place only.
    is_damaged: bool,
    kept: VecDeque<(usize, Arc<Segment>)>,
    /// How many events were read again.
    #[cfg(test)]
    pub(super) events_read: u64,
}

impl Segments {
    pub(super) fn new(
        reader: TraceReader,
        places: Vec<Place>,
        labels: Arc<[Arc<str>]>,
        is_damaged: bool,
    ) -> Self {
        Self {
            reader,
            places,
            labels,
            is_damaged,
            kept: VecDeque::new(),
            #[cfg(test)]
            events_read: 0,
        }
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The segment in which a step begins; the first for step 0.
    pub(super) fn of_step(&self, step: u64) -> usize {
        let after = self.places.partition_point(|place| place.steps < step);
        after.saturating_sub(1)
    }

    /// The segment that has the block at this place of the file.
    pub(super) fn of_offset(&self, offset: u64) -> usize {
        let after = self.places.partition_point(|place| place.offset <= offset);
        after.saturating_sub(1)
    }

    pub(super) fn get(&mut self, number: usize) -> Result<Arc<Segment>, TraceError> {
        if let Some(kept) = self.kept.iter().position(|(kept, _)| *kept == number)
            && let Some(found) = self.kept.remove(kept)
        {
            let segment = Arc::clone(&found.1);
            self.kept.push_back(found);
            return Ok(segment);
        }
        let segment = Arc::new(self.read(number)?);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((number, Arc::clone(&segment)));
        Ok(segment)
    }

    fn read(&mut self, number: usize) -> Result<Segment, TraceError> {
        let mut segment = Segment::default();
        let Some(place) = self.places.get(number).copied() else {
            return Ok(segment);
        };
        let end = self
            .places
            .get(number + 1)
            .map_or(u64::MAX, |next| next.offset);
        let labels = Arc::clone(&self.labels);
        let builder = EventBuilder::knowing(labels, place.steps, place.now_ns, place.running);
        self.reader.jump_to_block(place.offset)?;
        let mut events = LocatedEvents::new(&mut self.reader, builder);
        loop {
            let (event, offset) = match events.next() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                // What is behind this place was not read when the file was opened, either.
                Err(error) if self.is_damaged && error.is_damage() => break,
                Err(error) => return Err(error),
            };
            #[cfg(test)]
            {
                self.events_read += 1;
            }
            if offset >= end {
                break;
            }
            segment.add(event);
        }
        Ok(segment)
    }
}
