//! The examples of documentation: rustdoc compiles each into a program in a temporary folder,
//! runs it, and removes it.
//!
//! This program is the runner that cargo has rustdoc start instead. It keeps the program, prints
//! a number, and fails, so that rustdoc's report of failures says which example has which number.
//! Since the edition 2024 the examples of a library are one program with a harness, which starts
//! itself for each example, with the example's number in a variable: there a script prints it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use retake_sim::explore::Case;
use tempfile::TempDir;

use crate::binary::{self, Binary, contains};
use crate::environment::Launch;
use crate::error::Error;
use crate::process::Program;
use crate::subject::Subject;

/// The name of the command that keeps a program.
pub(crate) const KEEPER: &str = "__doctest";
/// What a runner prints in front of the number of a program and, behind a blank, the number of
/// an example in it.
const MARK: &str = "retake doctest ";
/// With the number of an example, a program of several runs this one alone.
const NUMBER: &str = "RUSTDOC_DOCTEST_RUN_NB_TEST";
/// What such a program starts for each of its examples.
const STARTED: &str = "RUSTDOC_DOCTEST_BIN_PATH";

/// Examples with their programs, which are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Doctests {
    pub(crate) subjects: Vec<Subject>,
    /// Those that are to panic, as far as rustdoc says so: which program is theirs is not known.
    pub(crate) to_panic: Vec<String>,
    _folder: TempDir,
}

impl Doctests {
    /// The subject of a saved case.
    ///
    /// # Errors
    /// If no example has its name.
    pub(crate) fn of_case(&self, file: &Path, case: &Case) -> Result<Subject, Error> {
        let mut subjects = self.subjects.iter();
        let found = subjects.find(|subject| subject.name() == case.scenario);
        found.cloned().ok_or_else(|| {
            Error::Project(format!(
                "{} is a case of `{}`, and there is no such example: the line in its name changes \
                 with the lines in front of it",
                file.display(),
                case.scenario
            ))
        })
    }
}

/// Keep this program in the folder, and print its number. This process is to fail then.
///
/// # Errors
/// If it cannot be kept.
pub(crate) fn keep(folder: &Path, program: &[OsString]) -> Result<(), Error> {
    let Some((executable, arguments)) = program.split_first() else {
        return Ok(());
    };
    let executable = Path::new(executable);
    // No two processes that live at one time have the same, and these print it once.
    let number = std::process::id();
    let kept = folder.join(number.to_string());
    fs::copy(executable, &kept).map_err(Error::of("copy", executable))?;
    Launch::of_this_process(&kept)?.write(&kept.with_extension("json"))?;
    let bytes = fs::read(executable).map_err(Error::of("read", executable))?;
    if !contains(&bytes, NUMBER.as_bytes()) {
        println!("{MARK}{number}");
        return Ok(());
    }
    let script = kept.with_extension("sh");
    let text = format!("#!/bin/sh\necho \"{MARK}{number} ${NUMBER}\"\nexit 1\n");
    fs::write(&script, text).map_err(Error::of("write", &script))?;
    let executes = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&script, executes).map_err(Error::of("change", &script))?;
    Command::new(executable)
        .args(arguments)
        .env(STARTED, &script)
        .env_remove(NUMBER)
        .status()
        .map_err(Error::of("run", executable))?;
    Ok(())
}

/// Have cargo test documentation by this command, whose runner keeps what it starts in `folder`.
///
/// # Errors
/// If cargo cannot be started, or something does not compile.
pub(crate) fn build(mut command: Command, folder: TempDir) -> Result<Doctests, Error> {
    let shown = "cargo test --doc";
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Error::Project(format!("cannot run {shown}: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let report = Report::read(&said);
    // It fails where there are examples; without a report nothing was compiled.
    let is_reported = output.status.success() || !report.numbered.is_empty();
    if !report.uncompiled.is_empty() || !is_reported {
        return Err(Error::Cargo {
            command: shown.to_owned(),
            hint: format!(" with the seeded tokio in the place of the project's own\n{said}"),
        });
    }
    let mut subjects = Vec::new();
    for (name, number) in report.numbered {
        let kept = folder.path().join(number.program.to_string());
        let noted = Launch::read(&kept.with_extension("json"))?;
        subjects.push(number.subject(&name, kept, &noted));
    }
    subjects.sort_by_key(Subject::name);
    Ok(Doctests {
        subjects,
        to_panic: report.to_panic,
        _folder: folder,
    })
}

/// The number of a program, and of an example in it if it has several.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    program: u32,
    example: Option<String>,
}

impl Number {
    fn parse(line: &str) -> Option<Self> {
        let (program, example) = match line.split_once(' ') {
            Some((program, example)) => (program, Some(example.to_owned())),
            None => (line, None),
        };
        let program = program.parse().ok()?;
        Some(Self { program, example })
    }

    fn subject(self, name: &str, kept: PathBuf, noted: &Launch) -> Subject {
        let package = noted.variable("CARGO_PKG_NAME").unwrap_or_default();
        let folder = noted.variable("CARGO_MANIFEST_DIR");
        let mut environment = noted.variables();
        if let Some(example) = self.example {
            environment.push((NUMBER.into(), example.into()));
        }
        let binary = Binary {
            id: binary::of_examples(&package),
            package: folder.map_or_else(|| noted.folder.clone(), PathBuf::from),
            has_harness: false,
            program: Program {
                executable: kept,
                arguments: Vec::new(),
                folder: noted.folder.clone(),
                environment,
            },
        };
        Subject::example(&binary, name)
    }
}

/// What rustdoc reports of examples.
#[derive(Debug, Default)]
struct Report {
    /// Those that were started, by their names.
    numbered: BTreeMap<String, Number>,
    /// Those that failed before they were started.
    uncompiled: Vec<String>,
    to_panic: Vec<String>,
}

impl Report {
    fn read(text: &str) -> Self {
        let mut report = Self::default();
        let mut present = None;
        for line in text.lines() {
            let head = line.strip_prefix("---- ");
            let head = head.and_then(|line| line.strip_suffix(" stdout ----"));
            if let Some(name) = head {
                report.uncompiled.extend(present.replace(name.to_owned()));
            } else if line == "failures:" {
                // The list of names behind the reports.
                report.uncompiled.extend(present.take());
            } else if let Some(number) = line.strip_prefix(MARK).and_then(Number::parse)
                && let Some(name) = present.take()
            {
                report.numbered.insert(name, number);
            } else if let Some(name) = line
                .strip_prefix("test ")
                .and_then(|line| line.strip_suffix(" - should panic ... ok"))
            {
                report.to_panic.push(name.to_owned());
            }
        }
        report.uncompiled.extend(present);
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_known_by_what_rustdoc_reports_of_them() {
        let report = "\
running 4 tests
test src/lib.rs - (line 1) ... FAILED
test src/lib.rs - serve (line 5) ... FAILED
test src/lib.rs - wrong (line 9) ... FAILED
test src/lib.rs - panics (line 20) - should panic ... ok

failures:

---- src/lib.rs - (line 1) stdout ----
Test executable failed (exit status: 1).

stdout:
retake doctest 17

---- src/lib.rs - wrong (line 9) stdout ----
error: expected one of `.` or `;`

---- src/lib.rs - serve (line 5) stdout ----
Test executable failed (exit status: 1).

stdout:
retake doctest 18 3

failures:
    src/lib.rs - (line 1)
";
        let report = Report::read(report);
        let numbered = report.numbered;
        let one = Number {
            program: 17,
            example: None,
        };
        let of_several = Number {
            program: 18,
            example: Some("3".to_owned()),
        };
        assert_eq!(numbered["src/lib.rs - (line 1)"], one);
        assert_eq!(numbered["src/lib.rs - serve (line 5)"], of_several);
        assert_eq!(numbered.len(), 2);
        assert_eq!(report.uncompiled, ["src/lib.rs - wrong (line 9)"]);
        assert_eq!(report.to_panic, ["src/lib.rs - panics (line 20)"]);
    }
}
