//! The tests of a program, as Rust's test harness lists them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use crate::binary::Binary;
use crate::interrupt::Interrupt;
use crate::process::{self, Exit, Folders, Limits, PRINTED_MAX, Program};

/// What a program may take to list its tests.
const LIST_LIMITS: Limits = Limits {
    time_max: Duration::from_secs(60),
    memory_max: 4 << 30,
    printed_max: PRINTED_MAX,
};

/// Which of the tests of a program are run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Names and options as the harness takes them.
    pub(crate) arguments: Vec<String>,
}

/// What a program answers to the question for its tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TestList {
    /// Their names, in its order, and how many of those that were asked for are ignored.
    Tests { names: Vec<String>, ignored: usize },
    /// It is one test as a whole.
    Whole,
    /// It has Rust's harness, and does not answer as that does.
    Other,
}

impl Filter {
    pub(crate) fn new(filter: Option<&String>, harness: &[String]) -> Self {
        let arguments = filter.into_iter().chain(harness).cloned().collect();
        Self { arguments }
    }

    /// Whether a program that is one test is among those that are wanted, by its name.
    fn has_whole(&self, name: &str) -> bool {
        let is_exact = self.has("--exact");
        let is_named = |word: &str| match is_exact {
            true => name == word,
            false => name.contains(word),
        };
        let (mut wanted, mut is_any) = (false, true);
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            let skipped = match word.strip_prefix("--skip") {
                Some("") => words.next().map(String::as_str),
                Some(value) => value.strip_prefix('='),
                None => None,
            };
            if skipped.is_some_and(is_named) {
                return false;
            }
            if !word.starts_with('-') {
                is_any = false;
                wanted |= is_named(word);
            }
        }
        (wanted || is_any) && !self.has("--ignored")
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
    ) -> std::io::Result<TestList> {
        let list = |filter: &[String], more: &[&str]| -> std::io::Result<Option<Vec<String>>> {
            let arguments = ["--list", "--format", "terse"].into_iter();
            let arguments = arguments.chain(filter.iter().map(String::as_str));
            let program = Program {
                arguments: arguments
                    .chain(more.iter().copied())
                    .map(OsString::from)
                    .collect(),
                ..binary.program.clone()
            };
            let folder = folders.take();
            let done = process::run(&program, &[], &folder, LIST_LIMITS, interrupt)?;
            Ok((done.exit == Exit::Code(0)).then(|| names(&done.printed)))
        };
        if !binary.has_harness && list(&[], &[])?.is_none_or(|names| names.is_empty()) {
            // A harness that is like Rust's would have listed tests.
            return Ok(match self.has_whole(&binary.id) {
                true => TestList::Whole,
                false => TestList::Tests {
                    names: Vec::new(),
                    ignored: 0,
                },
            });
        }
        let Some(all) = list(&self.arguments, &[])? else {
            return Ok(TestList::Other);
        };
        if self.has("--ignored") || self.has("--include-ignored") {
            return Ok(TestList::Tests {
                names: all,
                ignored: 0,
            });
        }
        let ignored: BTreeSet<String> = list(&self.arguments, &["--ignored"])?
            .into_iter()
            .flatten()
            .collect();
        let names: Vec<String> = all
            .iter()
            .filter(|name| !ignored.contains(*name))
            .cloned()
            .collect();
        Ok(TestList::Tests {
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
    fn a_program_that_is_one_test_is_chosen_by_its_name() {
        let has = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Filter::new(None, &words).has_whole("shop::whole")
        };
        assert!(has("") && has("who") && has("other who") && has("--skip other"));
        assert!(has("--exact shop::whole") && has("--include-ignored"));
        assert!(!has("other") && !has("--exact who") && !has("--ignored"));
        assert!(!has("--skip who") && !has("who --skip=shop"));
    }

    #[test]
    fn names_are_those_of_tests() {
        let list = "orders::are_kept: test\nbench_me: benchmark\nnoise\n";
        assert_eq!(names(list), ["orders::are_kept"]);
    }
}
