//! The trace format of Retake: a file that explains a run and proves its replay.
//!
//! A trace holds a [`Header`] (what was run, from which seed) and
//! a sequence of [`Record`]s. It is written as a stream in
//! bounded memory ([`TraceWriter`]) and read the same way ([`TraceReader`]).
//! Every byte is covered by a checksum: a damaged file yields the records of its
//! whole blocks and then an error that says where it is damaged.
//!
//! ```
//! use retake_traces::{Header, Record, Sink, TraceReader, TraceWriter};
//! use retake_traces::record::{End, OutcomeKind};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("a.retake");
//! let mut writer = TraceWriter::create(&path, &Header::default())?;
//! let end = Record::End(End { outcome: OutcomeKind::Passed, detail: String::new(), steps: 0, now_ns: 0 });
//! writer.record(&end)?;
//! writer.finish()?;
//!
//! let records: Result<Vec<Record>, _> = TraceReader::open(&path)?.collect();
//! assert_eq!(records?, [end]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules, in reading order: [`fault`] is what goes wrong on purpose, [`strategy`] who
//! chooses, [`label`] who tasks are, [`run`] the settings of a run; [`header`] and [`record`]
//! are what a trace says; `format` is how it says it in bytes; [`sink`], [`writer`] and
//! [`reader`] take records in and give them back; [`event`] puts them together to what happened;
//! [`schedule`] is what a replay needs of them;
//! [`live`] is what recordings of live processes add; [`mod@clean`] escapes what a terminal
//! would obey in texts of others; [`error`] is what can be wrong with a file, and [`mod@file`]
//! how all files are opened and written. `retake-inspect` makes stories, comparisons and
//! exports of traces.

pub mod clean;
mod codec;
mod counted;
pub mod error;
pub mod event;
pub mod fault;
pub mod file;
mod format;
pub mod header;
pub mod label;
pub mod live;
mod near;
pub mod reader;
pub mod record;
pub mod run;
pub mod schedule;
pub mod sink;
pub mod strategy;
pub mod writer;

pub use counted::counted;
pub use error::TraceError;
pub use event::{Events, WholeEvent};
pub use format::{TEXT_MAX, VERSION};
pub use header::Header;
pub use label::Label;
pub use near::{did_you_mean, one_of};
pub use reader::{Summary, TraceReader, verify};
pub use record::Record;
pub use retake_core::time;
pub use run::{Layers, RunConfig, Watch};
pub use schedule::Schedule;
pub use sink::{HashSink, MemorySink, Sink};
pub use strategy::{Strategy, StrategyError};
pub use writer::TraceWriter;
