//! What a run sends before its answer: its records, or how far it is.

use retake_traces::error::TraceError;
use retake_traces::record::{End, Record};
use retake_traces::sink::{HashSink, Sink};

use crate::isolate::{PartSender, Parts};
use retake_engine::outcome::Run;

/// Records are sent in parts of about this size, in bytes.
const PART_SIZE: usize = 64 << 10;

/// Steps between two reports of how far a run is.
const PROGRESS_STEPS: u64 = 4096;

/// Steps and virtual time so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::explore) struct Position {
    pub(in crate::explore) steps: u64,
    pub(in crate::explore) now_ns: u64,
}

impl Position {
    /// Count a record. True now and then, when it is time to report the position.
    pub(in crate::explore) fn add(&mut self, record: &Record) -> bool {
        match record {
            Record::Step(step) => {
                self.steps += 1;
                self.now_ns = self.now_ns.saturating_add(step.elapsed_ns);
                return self.steps.is_multiple_of(PROGRESS_STEPS);
            }
            Record::Fault(fault) => self.now_ns = self.now_ns.saturating_add(fault.elapsed_ns),
            _ => {}
        }
        false
    }

    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.steps.to_le_bytes());
        bytes[8..].copy_from_slice(&self.now_ns.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (steps, now_ns) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            steps: u64::from_le_bytes(*steps),
            now_ns: u64::from_le_bytes(*now_ns.first_chunk::<8>()?),
        })
    }
}

/// Sends records from the process of the run.
pub(super) struct Sender {
    parts: PartSender,
    hash: HashSink,
    bytes: Vec<u8>,
}

impl Sender {
    pub(super) fn new(parts: Parts<'_>) -> Result<Self, String> {
        Ok(Self {
            parts: parts.sender()?,
            hash: HashSink::new(),
            bytes: Vec::with_capacity(PART_SIZE),
        })
    }

    fn flush(&mut self) {
        (self.parts)(&self.bytes);
        self.bytes.clear();
    }
}

impl Sink for Sender {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        self.hash.record(record)?;
        record.encode(&mut self.bytes);
        if self.bytes.len() >= PART_SIZE {
            self.flush();
        }
        Ok(())
    }

    fn event_hash(&self) -> u64 {
        self.hash.event_hash()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.flush();
        Ok(())
    }
}

/// Sends how far the run is.
pub(super) struct Reporter {
    parts: PartSender,
    hash: HashSink,
    position: Position,
}

impl Reporter {
    pub(super) fn new(parts: Parts<'_>) -> Result<Self, String> {
        Ok(Self {
            parts: parts.sender()?,
            hash: HashSink::new(),
            position: Position::default(),
        })
    }
}

impl Sink for Reporter {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        if self.position.add(record) {
            (self.parts)(&self.position.to_bytes());
        }
        self.hash.record(record)
    }

    fn event_hash(&self) -> u64 {
        self.hash.event_hash()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        Ok(())
    }
}

/// Takes parts in the process that asked.
pub(super) struct Receiver<S> {
    sink: S,
    pub(super) position: Position,
    error: Option<TraceError>,
}

impl<S: Sink> Receiver<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            sink,
            position: Position::default(),
            error: None,
        }
    }

    /// Take records.
    pub(super) fn take(&mut self, mut part: &[u8]) {
        while self.error.is_none() && !part.is_empty() {
            let record = Record::decode(part);
            // The same program has encoded it.
            debug_assert!(record.is_ok(), "{record:?}");
            let Ok((record, length)) = record else { return };
            part = &part[length..];
            self.position.add(&record);
            self.error = self.sink.record(&record).err();
        }
    }

    /// Take how far the run is.
    pub(super) fn reach(&mut self, part: &[u8]) {
        self.position = Position::from_bytes(part).unwrap_or(self.position);
    }

    /// Write the last record of a run whose process could not send it.
    pub(super) fn end(&mut self, run: &Run<String>) {
        if self.error.is_none() && self.sink.keeps_records() {
            let end = Record::End(End {
                outcome: run.outcome.kind(),
                detail: run.outcome.detail(),
                steps: self.position.steps,
                now_ns: self.position.now_ns,
            });
            self.error = self.sink.record(&end).err();
        }
    }

    pub(super) fn finish(mut self) -> Option<TraceError> {
        self.error.take().or_else(|| self.sink.finish().err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_run_is_survives_the_way() {
        let position = Position {
            steps: 7,
            now_ns: u64::MAX,
        };
        let read = Position::from_bytes(&position.to_bytes()).unwrap();
        assert_eq!((read.steps, read.now_ns), (7, u64::MAX));
        assert!(Position::from_bytes(b"short").is_none());
    }
}
