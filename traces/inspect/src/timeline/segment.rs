//! Parts of the file, read again when they are looked at.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::story::{Line, Teller};
use retake_traces::error::TraceError;
use retake_traces::reader::TraceReader;
use retake_traces::record::{Record, State, Unhandled};

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

/// What a part of the file tells: that from one place to the next.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) lines: Vec<Line>,
    /// With the step that recorded each.
    pub(super) states: Vec<(u64, State)>,
    pub(super) unhandled: Vec<Unhandled>,
}

impl Segment {
    /// A callback finds one state: further ones of its step, which only a forged file has,
    /// would fill the memory.
    fn add_state(&mut self, step: u64, state: State) {
        let last = self.states.last();
        let has_one = last.is_some_and(|(at, last)| *at == step && !last.at_end);
        if state.at_end || !has_one {
            self.states.push((step, state));
        }
    }

    /// The state that a step's callback found, where it is another than before.
    pub(super) fn state_of_step(&self, step: u64) -> Option<&State> {
        let first = self.states.partition_point(|(at, _)| *at < step);
        let here = self.states[first..].iter();
        here.take_while(|(at, _)| *at == step)
            .map(|(_, state)| state)
            .find(|state| !state.at_end)
    }

    /// The line of a step.
    pub(super) fn line_of_step(&self, step: u64) -> Option<&Line> {
        let first = self.lines.partition_point(|line| line.step < step);
        let here = self.lines[first..].iter();
        here.take_while(|line| line.step == step)
            .find(|line| matches!(line.record, Record::Step(_)))
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
    /// How many records were read again.
    #[cfg(test)]
    pub(super) records_read: u64,
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
            records_read: 0,
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
        let mut segment = Segment {
            lines: Vec::new(),
            states: Vec::new(),
            unhandled: Vec::new(),
        };
        let Some(place) = self.places.get(number).copied() else {
            return Ok(segment);
        };
        let end = self
            .places
            .get(number + 1)
            .map_or(u64::MAX, |next| next.offset);
        let labels = Arc::clone(&self.labels);
        let mut teller = Teller::knowing(labels, place.steps, place.now_ns, place.running);
        let (mut step, mut begun) = (place.steps, false);
        self.reader.jump_to_block(place.offset)?;
        while let Some(record) = self.reader.next() {
            #[cfg(test)]
            {
                self.records_read += 1;
            }
            let record = match record {
                Ok(record) => record,
                // What is behind this place was not read when the file was opened, either.
                Err(error) if self.is_damaged && error.is_damage() => break,
                Err(error) => return Err(error),
            };
            // A step's text and state may be in the next block: they are read with the step.
            let of_step = match &record {
                Record::Detail(_) | Record::Cause(_) | Record::Child(_) => true,
                Record::State(state) => !state.at_end,
                _ => false,
            };
            // What belongs to a step of the segment before may fill this one and many more:
            // reading on to where it ends would read the file once for each segment.
            if self.reader.block_offset() >= end && !(of_step && begun) {
                break;
            }
            if of_step && !begun {
                continue;
            }
            begun = true;
            if matches!(record, Record::Step(_)) {
                step += 1;
            }
            segment.lines.extend(teller.tell(&record));
            match record {
                Record::State(state) => segment.add_state(step, state),
                Record::Unhandled(message) => segment.unhandled.push(message),
                Record::End(_) => break,
                _ => {}
            }
        }
        segment.lines.extend(teller.finish());
        Ok(segment)
    }
}
