//! A run in the forms that other programs read.
//!
//! One small file each: [`perfetto`] (Chrome's trace events), [`mermaid`] (a sequence
//! diagram), [`shiviz`] (a log with vector clocks), [`otlp`] (OpenTelemetry spans) and
//! [`jsonl`] (one JSON object a record). They stand behind one trait, [`Exporter`], and
//! are written as a stream: what is kept in memory grows with the number of tasks and
//! of messages under way, not with the length of the run. The one exception is a byte
//! for each step (`senders`), so that an arrow can begin where its message was sent,
//! however long it waited.
//!
//! ```
//! use retake_inspect::export::{Format, Selection, export};
//! use retake_traces::{Header, Record, Sink, TraceWriter};
//! use retake_traces::record::{End, OutcomeKind};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("a.retake");
//! let mut writer = TraceWriter::create(&path, &Header::default())?;
//! let end = Record::End(End { outcome: OutcomeKind::Passed, detail: String::new(), steps: 0, now_ns: 0 });
//! writer.record(&end)?;
//! writer.finish()?;
//!
//! let mut text = Vec::new();
//! export(&path, &Selection::default(), &mut *Format::Jsonl.exporter(), &mut text)?;
//! assert!(text.starts_with(b"{\"record\":\"run\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod json;
pub mod jsonl;
mod mailbox;
pub mod mermaid;
pub mod otlp;
mod otlp_json;
pub mod perfetto;
pub mod shiviz;

use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use retake_traces::clean::{Clean, Form};
use retake_traces::error::TraceError;
use retake_traces::header::Header;
use retake_traces::record::Task;

use crate::entries::Entries;
pub use crate::entries::{Entry, Selection};

/// Why a run could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The trace cannot be read or is damaged.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The output cannot be written.
    #[error("cannot write the export: {0}")]
    Output(#[from] io::Error),
    /// The format's reader would refuse that size.
    #[error("{0}")]
    TooLarge(String),
}

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Chrome's trace events, for Perfetto and `chrome://tracing`.
    Perfetto,
    /// A Mermaid sequence diagram.
    Mermaid,
    /// A log with vector clocks, for `ShiViz`.
    Shiviz,
    /// OpenTelemetry spans as OTLP JSON.
    Otlp,
    /// One JSON object a record.
    Jsonl,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Perfetto,
        Self::Mermaid,
        Self::Shiviz,
        Self::Otlp,
        Self::Jsonl,
    ];

    /// The name that it parses from.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Perfetto => "perfetto",
            Self::Mermaid => "mermaid",
            Self::Shiviz => "shiviz",
            Self::Otlp => "otlp",
            Self::Jsonl => "jsonl",
        }
    }

    /// What writes it.
    #[must_use]
    pub fn exporter(self) -> Box<dyn Exporter> {
        match self {
            Self::Perfetto => Box::<perfetto::Perfetto>::default(),
            Self::Mermaid => Box::<mermaid::Mermaid>::default(),
            Self::Shiviz => Box::<shiviz::Shiviz>::default(),
            Self::Otlp => Box::<otlp::Otlp>::default(),
            Self::Jsonl => Box::<jsonl::Jsonl>::default(),
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("there is no such format; write one of {names}")
            })
    }
}

/// What comes before the first entry.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// What was run.
    pub header: &'a Header,
    /// The tasks that were there before the first entry, in order.
    pub tasks: &'a [Task],
    /// Virtual time before the first entry, in nanoseconds.
    pub now_ns: u64,
}

/// Writes a run in one format.
pub trait Exporter {
    /// Whether the run is read twice, the first time by [`survey`](Self::survey).
    fn wants_survey(&self) -> bool {
        false
    }

    /// The same entries as come later, before anything is written.
    ///
    /// # Errors
    /// If the run is too large for the format.
    fn survey(&mut self, entry: &Entry) -> Result<(), ExportError> {
        let _ = entry;
        Ok(())
    }

    /// What it writes: decides how characters that a terminal would obey are escaped.
    fn form(&self) -> Form;

    /// Write what comes first.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn begin(&mut self, start: &Start<'_>, out: &mut dyn Write) -> Result<(), ExportError>;

    /// Write the next entry, or keep it until it is complete.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn entry(&mut self, entry: &Entry, out: &mut dyn Write) -> Result<(), ExportError>;

    /// Write what is left.
    ///
    /// # Errors
    /// If the output cannot be written.
    fn finish(&mut self, out: &mut dyn Write) -> Result<(), ExportError>;
}

/// Export the selected part of a trace. Check the trace before
/// ([`verify`](retake_traces::verify)): what is written before damage is found stays written.
///
/// # Errors
/// If the trace cannot be read, is damaged or is too large for the format, or the
/// output cannot be written.
pub fn export(
    path: impl AsRef<Path>,
    selection: &Selection,
    exporter: &mut dyn Exporter,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let out: &mut dyn Write = &mut Clean::new(out, exporter.form());
    if exporter.wants_survey() {
        let (_, mut entries) = Entries::open(path.as_ref(), selection)?;
        while let Some(entry) = entries.next()? {
            exporter.survey(&entry)?;
        }
    }
    let (start, mut entries) = Entries::open(path.as_ref(), selection)?;
    let header = entries.header().clone();
    exporter.begin(
        &Start {
            header: &header,
            tasks: &start.tasks,
            now_ns: start.now_ns,
        },
        out,
    )?;
    while let Some(entry) = entries.next()? {
        exporter.entry(&entry, out)?;
    }
    exporter.finish(out)?;
    Ok(())
}
