//! The tests of a program, as Rust's test harness lists them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use crate::build::Binary;
use crate::interrupt::Interrupt;
use crate::process::{self, Exit, Folders, Limits, Program};

/// What a program may take to list its tests.
const LIST_LIMITS: Limits = Limits {
    time_max: Duration::from_secs(60),
    memory_max: 4 << 30,
};

/// Which of the tests of a program are run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Names and options as the harness takes them.
    pub(crate) arguments: Vec<String>,
}

/// What a program answers to the question for its tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Their names, in its order, and how many of those that were asked for are ignored.
    Tests { names: Vec<String>, ignored: usize },
    /// It has another harness.
    Other,
}

impl Filter {
    pub(crate) fn new(filter: Option<&String>, harness: &[String]) -> Self {
        let arguments = filter.into_iter().chain(harness).cloned().collect();
        Self { arguments }
    }

    fn has(&self, option: &str) -> bool {
        self.arguments.iter().any(|it| it == option)
    }

    /// The tests of a program that pass the filter.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub(crate) fn list(
        &self,
        binary: &Binary,
        folders: &Folders,
        interrupt: &Interrupt,
    ) -> std::io::Result<Listed> {
        let list = |more: &[&str]| -> std::io::Result<Option<Vec<String>>> {
            let more = more.iter().map(|it| (*it).to_owned());
            let arguments = ["--list", "--format", "terse"].map(str::to_owned);
            let arguments = arguments.into_iter().chain(self.arguments.clone());
            let program = Program {
                arguments: arguments.chain(more).map(OsString::from).collect(),
                ..binary.program.clone()
            };
            let folder = folders.take();
            let done = process::run(&program, &[], &folder, LIST_LIMITS, interrupt)?;
            Ok((done.exit == Exit::Code(0)).then(|| names(&done.printed)))
        };
        let Some(all) = list(&[])? else {
            return Ok(Listed::Other);
        };
        if self.has("--ignored") || self.has("--include-ignored") {
            return Ok(Listed::Tests {
                names: all,
                ignored: 0,
            });
        }
        let ignored: BTreeSet<String> = list(&["--ignored"])?.into_iter().flatten().collect();
        let names: Vec<String> = all
            .iter()
            .filter(|name| !ignored.contains(*name))
            .cloned()
            .collect();
        Ok(Listed::Tests {
            ignored: all.len() - names.len(),
            names,
        })
    }
}

/// The names in a terse list.
fn names(list: &str) -> Vec<String> {
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// What makes a program run this test alone.
pub(crate) fn alone(test: &str) -> Vec<OsString> {
    [test, "--exact", "--nocapture", "--include-ignored"]
        .map(OsString::from)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_tests() {
        let list = "orders::are_kept: test\nbench_me: benchmark\nnoise\n";
        assert_eq!(names(list), ["orders::are_kept"]);
    }
}
