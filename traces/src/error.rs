//! What can be wrong with a trace.

use std::io;
use std::path::{Path, PathBuf};

use crate::file::FileError;

/// Why a trace could not be written, read or followed.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened, read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file does not begin like a trace.
    #[error("`{}` is not a Retake trace: it does not begin with the letters RETAKE", path.display())]
    NotATrace {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another version of the format.
    #[error(
        "`{}` has format version {found}; this program reads version {supported}: \
         use the program that wrote it, or record the run again",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The version that this crate reads and writes.
        supported: u16,
    },
    /// Bytes of the file have changed since it was written.
    #[error(
        "`{}` is damaged at byte {offset} ({what}); its first {good_steps} steps are good: \
         restore the file, or record the run again",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the part that is wrong begins, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
        /// Steps in the whole blocks before.
        good_steps: u64,
    },
    /// The file ends too soon: its writer was stopped, or it was cut.
    #[error(
        "`{}` ends after byte {offset}, before its end mark; its first {good_steps} steps are good: \
         the recording was stopped or the file was cut, record the run again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length, in bytes.
        offset: u64,
        /// Steps in the whole blocks.
        good_steps: u64,
    },
    /// A sink of another crate failed, for a reason of its own.
    #[error("{0}")]
    Sink(Box<dyn std::error::Error + Send + Sync>),
}

impl TraceError {
    /// True if the file is a trace that is good up to some place: damaged there, or cut.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::Truncated { .. })
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let of = FileError::of(doing, path);
        move |source| Self::File(of(source))
    }
}
