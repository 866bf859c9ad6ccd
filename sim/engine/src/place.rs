//! Places in the sources.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in the sources.
///
/// The file is named as the compiler has it, relative to the workspace; of a dependency's
/// file the path begins with the name of its package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
