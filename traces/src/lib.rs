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
//! use retake_traces::record::End;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("a.retake");
//! let mut writer = TraceWriter::create(&path, &Header::default())?;
//! let end = Record::End(End { outcome: "passed".into(), detail: String::new(), steps: 0, now_ns: 0 });
//! writer.record(&end)?;
//! writer.finish()?;
//!
//! let records: Result<Vec<Record>, _> = TraceReader::open(&path)?.collect();
//! assert_eq!(records?, [end]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules, in reading order: [`header`] and [`record`] are what a trace
//! says; `format` is how it says it in bytes; [`sink`], [`writer`] and [`reader`]
//! take records in and give them back; [`schedule`] is what a replay needs of
//! them; [`live`] is what recordings of live processes add; [`story`] makes
//! lines for people, and [`mod@fold`] folds those that repeat; [`timeline`] goes to any step and tells how things stood there;
//! [`mod@compare`] finds the first difference between two runs line by line, [`causal`]
//! by what caused what; [`export`] writes a run in the forms that other programs read;
//! [`mod@clean`] keeps texts of others from doing harm; [`error`] is what can be wrong with a file, and [`mod@file`] how all files are opened and
//! written.

pub mod causal;
pub mod clean;
mod codec;
pub mod compare;
mod counted;
mod entries;
pub mod error;
pub mod export;
pub mod file;
pub mod fold;
mod format;
pub mod header;
pub mod live;
pub mod reader;
pub mod record;
pub mod schedule;
mod senders;
pub mod sink;
pub mod story;
pub mod timeline;
pub mod writer;

pub use causal::{CausalDiff, causal_diff};
pub use compare::{Comparer, Diff, Divergence, compare, diff};
pub use counted::counted;
pub use error::TraceError;
pub use format::TEXT_MAX;
pub use header::Header;
pub use reader::{Summary, TraceReader, verify};
pub use record::Record;
pub use schedule::Schedule;
pub use sink::{HashSink, MemorySink, Sink};
pub use story::{Line, Teller};
pub use timeline::Timeline;
pub use writer::TraceWriter;
