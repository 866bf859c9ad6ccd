//! Reading a trace as a stream, and checking it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3Default;

use crate::codec::decode;
use crate::error::TraceError;
use crate::file::open_regular;
use crate::format::{
    BLOCK_HEAD, BLOCK_TARGET, BlockHead, FRAME_HEAD, FRAME_MAX, Footer, FrameKind, Index, MAGIC,
    TRAILER, VERSION, frame_checksum, trailer, u32_at, u64_at,
};
use crate::header::Header;
use crate::record::{OutcomeKind, Record, Task};
use crate::sink::EventHash;

/// Reads a trace file record by record.
///
/// As an iterator it yields every record of every block whose checksum is right,
/// then an error if the file is damaged. Reaching the end without one means that
/// the whole file is as it was written.
pub struct TraceReader {
    path: PathBuf,
    input: BufReader<File>,
    /// Bytes read.
    offset: u64,
    header: Header,
    block: Vec<u8>,
    /// How far the block has been decoded.
    place: usize,
    /// Records left in the block.
    left: u32,
    block_offset: u64,
    /// Steps in the blocks that have been read to their end.
    good_steps: u64,
    steps: u64,
    now_ns: u64,
    records: u64,
    index: Index,
    event_hash: EventHash,
    content_hash: Xxh3Default,
    /// The reader began at the first record, so its sums are those of the file.
    from_start: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Complete,
    Failed,
}

impl std::fmt::Debug for TraceReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceReader")
            .field("path", &self.path)
            .field("steps", &self.steps)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Where a reader continues after a jump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Steps before the next record.
    pub steps: u64,
    /// Virtual time of the last step before, in nanoseconds.
    pub now_ns: u64,
    /// The tasks that came into existence before, in order.
    pub tasks: Vec<Task>,
}

impl TraceReader {
    /// Open a trace and read its header.
    ///
    /// # Errors
    /// If the file cannot be read, is no trace, or its header is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TraceError> {
        let path = path.as_ref().to_owned();
        let file = open_regular(&path)?;
        let mut reader = Self {
            input: BufReader::with_capacity(2 * BLOCK_TARGET, file),
            path,
            offset: 0,
            header: Header::default(),
            block: Vec::new(),
            place: 0,
            left: 0,
            block_offset: 0,
            good_steps: 0,
            steps: 0,
            now_ns: 0,
            records: 0,
            index: Index::default(),
            event_hash: EventHash::default(),
            content_hash: Xxh3Default::new(),
            from_start: true,
            state: State::Reading,
        };
        let mut start = [0; 8];
        let read = reader.fill(&mut start)?;
        if !start[..read].starts_with(&MAGIC[..read.min(6)]) || read == 0 {
            return Err(TraceError::NotATrace { path: reader.path });
        }
        if read < start.len() {
            return Err(reader.truncated());
        }
        let found = u16::from_le_bytes([start[6], start[7]]);
        if found != VERSION {
            return Err(TraceError::Version {
                path: reader.path,
                found,
                supported: VERSION,
            });
        }
        let (kind, payload) = reader.frame()?;
        if kind != FrameKind::Header {
            return Err(reader.corrupt(8, "the header is missing"));
        }
        let (header, used) = decode(&payload).map_err(|error| reader.corrupt(8, &error))?;
        if used != payload.len() {
            return Err(reader.corrupt(8, "the header is longer than its content"));
        }
        reader.header = header;
        Ok(reader)
    }

    /// What was run.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Steps up to here.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Virtual time of the last step, in nanoseconds.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn corrupt(&self, offset: u64, what: &str) -> TraceError {
        TraceError::Corrupt {
            path: self.path.clone(),
            offset,
            what: what.to_owned(),
            good_steps: self.good_steps,
        }
    }

    fn truncated(&self) -> TraceError {
        TraceError::Truncated {
            path: self.path.clone(),
            offset: self.offset,
            good_steps: self.good_steps,
        }
    }

    /// Read until the buffer is full or the file ends.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, TraceError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TraceError::io("read", &self.path)(error)),
            }
        }
        self.offset += filled as u64;
        Ok(filled)
    }

    fn fill_all(&mut self, buffer: &mut [u8]) -> Result<(), TraceError> {
        if self.fill(buffer)? < buffer.len() {
            return Err(self.truncated());
        }
        Ok(())
    }

    /// The next frame, its checksum verified.
    fn frame(&mut self) -> Result<(FrameKind, Vec<u8>), TraceError> {
        let start = self.offset;
        let mut head = [0; FRAME_HEAD];
        self.fill_all(&mut head)?;
        let (length, checksum) = (u32_at(&head, 1).unwrap_or(0), u32_at(&head, 5).unwrap_or(0));
        let Some(kind) = FrameKind::from_byte(head[0]) else {
            return Err(self.corrupt(start, "unknown kind of frame"));
        };
        if length > FRAME_MAX {
            return Err(self.corrupt(start, "impossible length of a frame"));
        }
        let mut payload = std::mem::take(&mut self.block);
        payload.clear();
        payload.resize(length as usize, 0);
        self.fill_all(&mut payload)?;
        if frame_checksum(head[0], length, &payload) != checksum {
            return Err(self.corrupt(start, "wrong checksum"));
        }
        Ok((kind, payload))
    }

    /// Load the next block. False at the end of the file, which has then been checked.
    fn next_block(&mut self) -> Result<bool, TraceError> {
        self.good_steps = self.steps;
        let start = self.offset;
        let (kind, payload) = self.frame()?;
        match kind {
            FrameKind::Header => Err(self.corrupt(start, "a second header")),
            FrameKind::Footer => self.check_end(start, &payload).map(|()| false),
            FrameKind::Block => {
                let head = BlockHead::from_bytes(&payload)
                    .ok_or_else(|| self.corrupt(start, "a block shorter than its head"))?;
                if head.steps_before != self.steps || head.ns_before != self.now_ns {
                    return Err(self.corrupt(start, "a block is missing or out of place"));
                }
                self.content_hash.update(&payload);
                self.index.add(start, head);
                self.block_offset = start;
                self.place = BLOCK_HEAD;
                self.left = head.records;
                self.block = payload;
                Ok(true)
            }
        }
    }

    fn check_end(&mut self, footer_offset: u64, payload: &[u8]) -> Result<(), TraceError> {
        let (footer, used): (Footer, usize) =
            decode(payload).map_err(|error| self.corrupt(footer_offset, &error))?;
        let trailer_offset = self.offset;
        let mut end = [0; TRAILER];
        self.fill_all(&mut end)?;
        if end != trailer(footer_offset) {
            return Err(self.corrupt(trailer_offset, "wrong end mark"));
        }
        if self.fill(&mut [0])? != 0 {
            return Err(self.corrupt(self.offset - 1, "bytes after the end mark"));
        }
        let sums_differ = self.from_start
            && (footer.steps != self.steps
                || footer.records != self.records
                || footer.event_hash != self.event_hash.value()
                || footer.content_hash != self.content_hash.digest()
                || footer.index != self.index.places);
        if used != payload.len() || sums_differ {
            return Err(self.corrupt(footer_offset, "the footer does not match the content"));
        }
        Ok(())
    }

    fn next_record(&mut self) -> Result<Option<Record>, TraceError> {
        while self.left == 0 {
            if self.place < self.block.len() {
                return Err(self.corrupt(self.block_offset, "a block is longer than its records"));
            }
            if !self.next_block()? {
                self.state = State::Complete;
                return Ok(None);
            }
        }
        let bytes = &self.block[self.place..];
        let (record, used): (Record, usize) =
            decode(bytes).map_err(|error| self.corrupt(self.block_offset, &error))?;
        if record.is_schedule() {
            self.event_hash.add_encoded(&bytes[..used]);
        }
        self.place += used;
        self.left -= 1;
        self.records += 1;
        let elapsed_ns = match &record {
            Record::Step(step) => {
                self.steps += 1;
                step.elapsed_ns
            }
            Record::Fault(fault) => fault.elapsed_ns,
            _ => 0,
        };
        let Some(now_ns) = self.now_ns.checked_add(elapsed_ns) else {
            return Err(self.corrupt(self.block_offset, "virtual time overflows"));
        };
        self.now_ns = now_ns;
        Ok(Some(record))
    }

    /// Jump to the block that contains step number `step` (from 1), by the index
    /// at the end of the file. Blocks that are jumped over are not checked;
    /// [`verify`] does that.
    ///
    /// # Errors
    /// If the file cannot be read or its index is damaged.
    pub fn seek_to_step(&mut self, step: u64) -> Result<Position, TraceError> {
        let footer = self.read_footer()?;
        let after = footer
            .index
            .partition_point(|place| place.steps_before < step);
        let Some(target) = after.checked_sub(1) else {
            self.jump(&footer, 0)?;
            return Ok(Position::default());
        };
        let mut tasks = Vec::new();
        for place in 0..target {
            if footer.index[place].has_tasks {
                self.jump(&footer, place)?;
                // The index may leave blocks out: read up to the next one that it has.
                while self.offset < footer.index[place + 1].offset || self.left > 0 {
                    match self.next_record()? {
                        Some(Record::Task(task)) => tasks.push(task),
                        Some(_) => {}
                        None => break,
                    }
                }
            }
        }
        self.jump(&footer, target)?;
        Ok(Position {
            steps: self.steps,
            now_ns: self.now_ns,
            tasks,
        })
    }

    /// The file is whole, but what it says makes no sense.
    #[doc(hidden)]
    pub fn wrong(&self, what: &str) -> TraceError {
        self.corrupt(self.block_offset, what)
    }

    /// Where the next block begins, if all records of the blocks before it have been read.
    #[doc(hidden)]
    pub fn at_block(&self) -> Option<u64> {
        (self.left == 0).then_some(self.offset)
    }

    /// Where the block of the last record begins.
    #[doc(hidden)]
    pub fn block_offset(&self) -> u64 {
        self.block_offset
    }

    fn read_footer(&mut self) -> Result<Footer, TraceError> {
        let length = self.seek(SeekFrom::End(0))?;
        let Some(trailer_offset) = length.checked_sub(TRAILER as u64) else {
            return Err(self.truncated());
        };
        self.seek(SeekFrom::Start(trailer_offset))?;
        let mut end = [0; TRAILER];
        self.fill_all(&mut end)?;
        let footer_offset = u64_at(&end, 0).unwrap_or(0);
        if end != trailer(footer_offset) || footer_offset > trailer_offset {
            return Err(self.corrupt(trailer_offset, "wrong end mark"));
        }
        self.seek(SeekFrom::Start(footer_offset))?;
        let (kind, payload) = self.frame()?;
        if kind != FrameKind::Footer {
            return Err(self.corrupt(footer_offset, "the footer is missing"));
        }
        decode(&payload)
            .map(|(footer, _)| footer)
            .map_err(|error| self.corrupt(footer_offset, &error))
    }

    fn jump(&mut self, footer: &Footer, place: usize) -> Result<(), TraceError> {
        match footer.index.get(place) {
            Some(block) => self.jump_to_block(block.offset),
            None => {
                self.leave_block();
                Ok(())
            }
        }
    }

    fn leave_block(&mut self) {
        self.from_start = false;
        self.state = State::Reading;
        self.left = 0;
        self.block.clear();
        self.place = 0;
    }

    /// Continue with the first record of the block at this place of the file.
    #[doc(hidden)]
    pub fn jump_to_block(&mut self, offset: u64) -> Result<(), TraceError> {
        self.leave_block();
        self.seek(SeekFrom::Start(offset))?;
        let (kind, payload) = self.frame()?;
        let head = BlockHead::from_bytes(&payload)
            .filter(|_| kind == FrameKind::Block)
            .ok_or_else(|| self.corrupt(offset, "the index points at no block"))?;
        self.steps = head.steps_before;
        self.good_steps = head.steps_before;
        self.now_ns = head.ns_before;
        self.block_offset = offset;
        self.place = BLOCK_HEAD;
        self.left = head.records;
        self.block = payload;
        Ok(())
    }

    fn seek(&mut self, to: SeekFrom) -> Result<u64, TraceError> {
        self.offset = self
            .input
            .seek(to)
            .map_err(TraceError::io("read", &self.path))?;
        Ok(self.offset)
    }
}

impl Iterator for TraceReader {
    type Item = Result<Record, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state != State::Reading {
            return None;
        }
        let next = self.next_record();
        if next.is_err() {
            self.state = State::Failed;
        }
        next.transpose()
    }
}

/// What a whole and undamaged trace holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What was run.
    pub header: Header,
    /// Steps.
    pub steps: u64,
    /// Records of all kinds.
    pub records: u64,
    /// Hash over the schedule layer.
    pub event_hash: u64,
    /// Virtual time of the last step, in nanoseconds.
    pub now_ns: u64,
    /// How the run ended.
    pub outcome: OutcomeKind,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// Read a trace from beginning to end and check everything in it.
///
/// # Errors
/// If the file cannot be read or anything in it is not as it was written.
pub fn verify(path: impl AsRef<Path>) -> Result<Summary, TraceError> {
    let mut reader = TraceReader::open(path)?;
    let mut outcome = None;
    for record in &mut reader {
        if let Record::End(end) = record? {
            outcome = Some(end.outcome);
        }
    }
    let Some(outcome) = outcome else {
        return Err(reader.corrupt(reader.offset, "the run's end is missing"));
    };
    Ok(Summary {
        steps: reader.steps,
        records: reader.records,
        event_hash: reader.event_hash.value(),
        now_ns: reader.now_ns,
        outcome,
        bytes: reader.offset,
        header: reader.header,
    })
}
