//! How commands end, and why they could not do their work.

use std::fmt;
use std::io;

use retake_sim::explore::CaseError;
use retake_traces::TraceError;
use retake_traces::file::FileError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Exit code 0.
    Passed,
    /// Something failed or is different: exit code 1.
    Failed,
    /// By Ctrl-C; what there was by then has been printed and written. Exit code 130.
    Interrupted,
    /// Another exit code, which the command's help explains.
    Other(u8),
}

impl Status {
    /// Its exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Interrupted => 130,
            Self::Other(code) => code,
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The arguments make no sense for this program: exit code 2.
    Usage(String),
    /// A file cannot be read or is damaged: exit code 3.
    File(TraceError),
    /// So is a saved case, or a campaign: exit code 3.
    Case(String),
    /// Output went nowhere: exit code 1.
    Output(io::Error),
    /// By Ctrl-C, before there was anything to print or write: exit code 130.
    Interrupted,
    /// Anything else, with an exit code that the command's help explains.
    Other {
        /// The exit code.
        code: u8,
        /// What is wrong, and what to do.
        text: String,
    },
}

impl Error {
    /// Its exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::File(_) | Self::Case(_) => 3,
            Self::Output(_) => 1,
            Self::Interrupted => Status::Interrupted.code(),
            Self::Other { code, .. } => *code,
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Output(error) => Some(error),
            Self::Usage(_) | Self::Case(_) | Self::Interrupted | Self::Other { .. } => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Other { text, .. } => f.write_str(text),
            Self::File(error) => error.fmt(f),
            Self::Case(what) => f.write_str(what),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
            Self::Interrupted => f.write_str("interrupted before the run came to its end"),
        }
    }
}

impl From<TraceError> for Error {
    fn from(error: TraceError) -> Self {
        Self::File(error)
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::File(error.into())
    }
}

impl From<CaseError> for Error {
    fn from(error: CaseError) -> Self {
        Self::Case(error.to_string())
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
