//! Files on the way in and on the way out.
//!
//! [`OutputFile`] writes a file as a whole or not at all, and straight into what is no
//! regular file. [`open_regular`] and [`read_text`] read a regular file, and no more of it
//! than a limit. Every command that names a file uses these, so that all of them treat
//! devices, links, missing folders and full disks alike.

mod input;
mod output;

use std::io;
use std::path::{Path, PathBuf};

pub use input::{open_regular, read_text};
pub use output::{OutputFile, check_folder, check_output, refuse_input};

/// Why a file cannot be used: what was being done, the file, the reason, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`: {source}{}", path.display(), advice(doing, source))]
pub struct FileError {
    /// What was being done, for example `open`.
    pub doing: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl FileError {
    /// What makes one of an error of the system.
    pub fn of(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self {
            doing,
            path,
            source,
        }
    }

    /// A refusal of ours, with what to do in its text.
    fn refused(doing: &'static str, path: &Path, what: impl Into<String>) -> Self {
        Self::of(doing, path)(io::Error::other(what.into()))
    }
}

/// What a person can do about an error of the system. Our own refusals say it themselves.
fn advice(doing: &str, source: &io::Error) -> &'static str {
    let is_output = matches!(doing, "create" | "write");
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ": make room, or write to another place; a file that was there before is unchanged"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem if is_output => {
            ": choose a place that you may write to"
        }
        io::ErrorKind::PermissionDenied => ": ask for permission to read it",
        io::ErrorKind::NotFound if !is_output => ": check its name",
        _ => "",
    }
}

/// What a path that is no regular file leads to, for messages.
fn kind_of(kind: std::fs::FileType) -> &'static str {
    if kind.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    "no regular file"
}
