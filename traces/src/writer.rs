//! Writing a trace as a stream, in bounded memory.

use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use crate::codec::encode;
use crate::error::TraceError;
use crate::file::OutputFile;
use crate::format::{
    BLOCK_TARGET, BlockHead, FRAME_HEAD, FRAME_MAX, Footer, FrameKind, Index, MAGIC, TEXT_MAX,
    VERSION, frame_head, trailer,
};
use crate::header::Header;
use crate::record::{End, Event, Panic, Record, State, UnhandledMessage};
use crate::sink::{EventHash, Sink};
use crate::strategy::Strategy;

/// Writes a trace file.
///
/// The records go to `FILE.partial`, block by block; [`Sink::finish`] writes the
/// end and renames it to `FILE`. So a file under its own name is complete, also
/// after a crash of the process, and what a crashed run left can be read from
/// the `.partial` up to its last whole block. See [`OutputFile`] for what else a path may
/// name.
#[derive(Debug)]
pub struct TraceWriter {
    path: PathBuf,
    out: OutputFile,
    /// Bytes written.
    offset: u64,
    block: Vec<u8>,
    head: BlockHead,
    steps: u64,
    now_ns: u64,
    records: u64,
    index: Index,
    event_hash: EventHash,
    content_hash: Content,
    /// A block is closed when it is this long.
    block_target: usize,
    finished: bool,
}

#[derive(Clone, Default)]
struct Content(Xxh3Default);

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({:016x})", self.0.digest())
    }
}

impl TraceWriter {
    /// Start a trace at `path`. A file that is there is replaced when this one is finished;
    /// a device or FIFO is written straight into.
    ///
    /// # Errors
    /// If the file cannot be created or written.
    pub fn create(path: impl AsRef<Path>, header: &Header) -> Result<Self, TraceError> {
        let path = path.as_ref();
        Self::begin(path, OutputFile::create_partial(path)?, header)
    }

    /// Start a recording of a live process: as [`create`](Self::create), but others cannot
    /// read the file, and what a killed process left as `FILE.partial` is kept as
    /// `FILE.crash-1`, `FILE.crash-2` and so on.
    ///
    /// # Errors
    /// If the file cannot be created or written, or another process is writing to it.
    pub fn create_recording(path: impl AsRef<Path>, header: &Header) -> Result<Self, TraceError> {
        let path = path.as_ref();
        Self::begin(path, OutputFile::create_recording(path)?, header)
    }

    fn begin(path: &Path, out: OutputFile, header: &Header) -> Result<Self, TraceError> {
        let mut writer = Self {
            path: path.to_owned(),
            out,
            offset: 0,
            block: Vec::with_capacity(BLOCK_TARGET + 1024),
            head: BlockHead::default(),
            steps: 0,
            now_ns: 0,
            records: 0,
            index: Index::default(),
            event_hash: EventHash::default(),
            content_hash: Content::default(),
            block_target: BLOCK_TARGET,
            finished: false,
        };
        let mut start = MAGIC.to_vec();
        start.extend(VERSION.to_le_bytes());
        writer.write(&start)?;
        let mut payload = Vec::new();
        encode(header, &mut payload);
        if payload.len() > FRAME_MAX as usize {
            // A schedule as data may be as long as the run. The records have it as well.
            let mut short = header.clone();
            short.config.strategy = Strategy::Custom(short.config.strategy.to_string());
            payload.clear();
            encode(&short, &mut payload);
        }
        writer.write_frame(FrameKind::Header, &payload)?;
        Ok(writer)
    }

    /// Make blocks of this length, so that short traces have many.
    #[doc(hidden)]
    #[must_use]
    pub fn with_block_target(mut self, block_target: usize) -> Self {
        self.block_target = block_target;
        self
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TraceError> {
        self.out
            .write_all(bytes)
            .map_err(TraceError::io("write", &self.path))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn write_frame(&mut self, kind: FrameKind, payload: &[u8]) -> Result<(), TraceError> {
        let head: [u8; FRAME_HEAD] = frame_head(kind, payload);
        self.write(&head)?;
        self.write(payload)
    }

    fn close_block(&mut self) -> Result<(), TraceError> {
        if self.head.records == 0 {
            return Ok(());
        }
        let head = self.head;
        self.index.add(self.offset, head);
        let mut block = std::mem::take(&mut self.block);
        block[..head.to_bytes().len()].copy_from_slice(&head.to_bytes());
        self.content_hash.0.update(&block);
        let written = self.write_frame(FrameKind::Block, &block);
        block.clear();
        self.block = block;
        self.head = BlockHead::default();
        written
    }

    fn add(&mut self, record: &Record) -> Result<(), TraceError> {
        if self.head.records == 0 {
            self.head.steps_before = self.steps;
            self.head.ns_before = self.now_ns;
            // Filled in when the block is closed.
            self.block.extend(self.head.to_bytes());
        }
        let start = self.block.len();
        encode(record, &mut self.block);
        if record.is_schedule() {
            self.event_hash.add_encoded(&self.block[start..]);
        }
        self.head.records += 1;
        self.records += 1;
        match record {
            Record::Step(step) => {
                self.steps += 1;
                self.now_ns = self.now_ns.saturating_add(step.elapsed_ns);
            }
            Record::Fault(fault) => self.now_ns = self.now_ns.saturating_add(fault.elapsed_ns),
            Record::Task(_) => self.head.tasks += 1,
            _ => {}
        }
        if self.block.len() >= self.block_target {
            self.close_block()?;
        }
        Ok(())
    }
}

impl TraceWriter {
    /// Hand what was recorded over to the system: it then survives this process. Each
    /// time ends a block, so too many of them make the file large.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn flush(&mut self) -> Result<(), TraceError> {
        self.close_block()?;
        self.out
            .flush()
            .map_err(TraceError::io("write", &self.path))
    }

    /// Bytes of the file so far, what is not written yet included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.offset + self.block.len() as u64
    }
}

impl Sink for TraceWriter {
    #[inline]
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        match with_short_text(record) {
            Cow::Borrowed(record) => self.add(record),
            Cow::Owned(record) => self.add(&record),
        }
    }

    fn event_hash(&self) -> u64 {
        self.event_hash.value()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.close_block()?;
        let footer_offset = self.offset;
        let footer = Footer {
            steps: self.steps,
            records: self.records,
            event_hash: self.event_hash.value(),
            content_hash: self.content_hash.0.digest(),
            index: std::mem::take(&mut self.index.places),
        };
        let mut payload = Vec::new();
        encode(&footer, &mut payload);
        self.write_frame(FrameKind::Footer, &payload)?;
        self.write(&trailer(footer_offset))?;
        self.out.end()?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for TraceWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What is known of the run is worth keeping; there is nobody to tell of an error.
            let _ = self.close_block();
            let _ = self.out.flush();
        }
    }
}

/// The record with texts of bounded length.
#[doc(hidden)]
pub fn with_short_text(record: &Record) -> Cow<'_, Record> {
    let is_long = |text: &str| text.len() > TEXT_MAX;
    match record {
        Record::Step(_) | Record::Fault(_) | Record::Cause(_) | Record::Live(_) => {}
        Record::Child(_) | Record::Ended(_) => {}
        Record::Task(task) if is_long(&task.label.name) => {
            let mut task = task.clone();
            task.label.name = short(&task.label.name).into();
            return Cow::Owned(Record::Task(task));
        }
        Record::Task(_) => {}
        Record::Panic(Panic { message: text, .. })
        | Record::End(End { detail: text, .. })
        | Record::Detail(text)
        | Record::Event(Event { text, .. })
        | Record::State(State { text, .. })
        | Record::Unhandled(UnhandledMessage { text, .. }) => {
            if is_long(text) {
                let mut record = record.clone();
                if let Record::Panic(Panic { message: text, .. })
                | Record::End(End { detail: text, .. })
                | Record::Detail(text)
                | Record::Event(Event { text, .. })
                | Record::State(State { text, .. })
                | Record::Unhandled(UnhandledMessage { text, .. }) = &mut record
                {
                    *text = short(text);
                }
                return Cow::Owned(record);
            }
        }
    }
    Cow::Borrowed(record)
}

/// A text that is too long, cut at the limit.
fn short(text: &str) -> String {
    let start = &text[..text.floor_char_boundary(TEXT_MAX - 32)];
    format!("{start}… ({} bytes)", text.len())
}
