//! Programs that are built, and their names.

use std::path::PathBuf;

use crate::process::Program;

/// What is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuildKind {
    /// Targets with their tests.
    Tests,
    /// The examples of documentation.
    Doctests,
    /// A binary or an example as it is.
    Binary,
}

/// A program that was built.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    /// Its name among those of the project: `shop` for the library of a package, `shop::it` for
    /// an integration test, `shop::bin/till`, `shop::example/small`.
    pub(crate) id: String,
    /// The folder of its package.
    pub(crate) package: PathBuf,
    /// Whether Rust's harness of tests is in it; otherwise it is one test, or has a harness of
    /// its own.
    pub(crate) has_harness: bool,
    /// With its environment, and no arguments.
    pub(crate) program: Program,
}

/// The name of the examples of a package among the programs of a project.
pub(crate) fn of_examples(package: &str) -> String {
    format!("{package}{SUFFIX}")
}

/// What the names of examples end with.
const SUFFIX: &str = "::doc";

/// Whether a program of this name is examples.
pub(crate) fn is_of_examples(id: &str) -> bool {
    id.ends_with(SUFFIX)
}

/// Whether there is a text among these bytes.
pub(crate) fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    let Some((first, _)) = wanted.split_first() else {
        return true;
    };
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(|byte| byte == first) {
        rest = &rest[place..];
        if rest.starts_with(wanted) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}
