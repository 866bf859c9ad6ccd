//! A folder of a test's own, removed at its end.

use std::path::{Path, PathBuf};

use retake_traces::{Header, Record};
use tempfile::TempDir;

use crate::traces::runs::write_with;

/// Names of files are relative to it.
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// # Panics
    /// If there is no room for temporary files. All others panic, too, where a file cannot be
    /// read or written.
    #[must_use]
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.at(name).exists()
    }

    /// The names of what is in it, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[must_use]
    #[track_caller]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[must_use]
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    /// Gives the path of the file.
    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        std::fs::write(&path, content).unwrap_or_else(|error| panic!("{name}: {error}"));
        path
    }

    pub fn write_trace(&self, name: &str, header: &Header, records: &[Record]) -> PathBuf {
        write_with(self.path(), name, header, records)
    }
}
