//! Why nothing could be run or judged.

use std::io;
use std::path::{Path, PathBuf};

use retake_sim::explore::CaseError;
use retake_traces::TraceError;
use retake_traces::file::FileError;

/// Why a command could not do its work. All of them end it with exit code 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The project is not one that can be simulated.
    #[error("{0}")]
    Project(String),
    /// cargo could not do what it was asked to, and has said why.
    #[error("`{command}` failed{hint}")]
    Cargo {
        /// What was run.
        command: String,
        /// What to do, behind a colon or a line break; or nothing.
        hint: String,
    },
    /// What cargo printed is not what it should be.
    #[error("cannot read what `{command}` prints: {what}")]
    Output { command: String, what: String },
    /// tokio could not be changed.
    #[error(
        "cannot make the seeded copy of tokio {version}: {what}. `cargo update --package tokio` \
         changes the version that is locked"
    )]
    Generate { version: String, what: String },
    /// A file cannot be read or written.
    #[error("cannot {doing} {}: {error}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    /// A saved case cannot be used.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// A trace cannot be written.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The output went nowhere.
    #[error("cannot write the output: {0}")]
    Print(#[from] io::Error),
    /// It was asked to end.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// For `map_err`: this could not be done with this file.
    pub(crate) fn of(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::File { doing, path, error }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::Trace(error.into())
    }
}
