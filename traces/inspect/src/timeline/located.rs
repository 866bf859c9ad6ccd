//! Whole events with the place of the file where each begins.

use retake_traces::error::TraceError;
use retake_traces::event::{EventBuilder, WholeEvent};
use retake_traces::reader::TraceReader;
use retake_traces::record::Record;

/// Reads events from where the reader is.
pub(super) struct LocatedEvents<'a> {
    reader: &'a mut TraceReader,
    builder: EventBuilder,
    /// The block in which the event begins that may not be complete.
    offset: u64,
    has_end: bool,
    error: Option<TraceError>,
    is_over: bool,
}

impl<'a> LocatedEvents<'a> {
    pub(super) fn new(reader: &'a mut TraceReader, builder: EventBuilder) -> Self {
        Self {
            reader,
            builder,
            offset: 0,
            has_end: false,
            error: None,
            is_over: false,
        }
    }

    /// The next event, and the block that it begins in. What comes before an error is
    /// returned before it. The run's end is the last event of a file without an error.
    pub(super) fn next(&mut self) -> Result<Option<(WholeEvent, u64)>, TraceError> {
        while !self.is_over {
            let begin = self.offset;
            let found = match self.reader.next() {
                Some(Ok(_)) if self.has_end => {
                    Err(self.reader.wrong("a record after the run's end"))
                }
                Some(Ok(record)) => Ok(self.add(record)),
                Some(Err(error)) => Err(error),
                None if self.has_end => break,
                None => Err(self.reader.wrong("the run's end is missing")),
            };
            match found {
                Ok(None) => {}
                Ok(Some(event)) => return Ok(Some((event, begin))),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        self.is_over = true;
        if let Some(event) = self.builder.finish() {
            return Ok(Some((event, self.offset)));
        }
        self.error.take().map_or(Ok(None), Err)
    }

    fn add(&mut self, record: Record) -> Option<WholeEvent> {
        self.has_end = matches!(record, Record::End(_));
        let is_first = !self.builder.has_open();
        let before = self.builder.add(record);
        if is_first || before.is_some() {
            self.offset = self.reader.block_offset();
        }
        before
    }
}
