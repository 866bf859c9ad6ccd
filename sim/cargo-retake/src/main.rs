//! `cargo retake`: the tests of a tokio project, unchanged, under a seeded scheduler in virtual
//! time.
//!
//! In reading order: `project` asks cargo for the project and its locked tokio, `copy` makes
//! the seeded copy of that, `build` builds the targets against it, and `environment` finds out
//! how cargo starts what was built; `doctests` does both for examples of documentation. `harness` lists the tests, `subject` is one of them.
//! `process` runs one in a process of its own, `answer`, `outcome` and `records` read what the seeded tokio
//! says about the run, with names from `labels`; `simulated` makes a scenario of it that
//! campaigns, shrinking and explanations of `retake-sim` take as any other. `judge` puts a test to
//! the proof, `report` says how it was found. `commands` and `inspect` are the commands,
//! `arguments` and
//! `cargo_arguments` their arguments.
//!
//! The seeded tokio replaces functions of the C library, which is why this is for Linux.

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("error: `cargo retake` works on Linux only: it replaces functions of the C library");
    std::process::ExitCode::from(2)
}

#[cfg(target_os = "linux")]
mod answer;
#[cfg(target_os = "linux")]
mod arguments;
#[cfg(target_os = "linux")]
mod binary;
#[cfg(target_os = "linux")]
mod build;
#[cfg(target_os = "linux")]
mod cargo_arguments;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod copy;
#[cfg(target_os = "linux")]
mod doctests;
#[cfg(target_os = "linux")]
mod environment;
#[cfg(target_os = "linux")]
mod error;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod harness;
#[cfg(target_os = "linux")]
mod inspect;
#[cfg(target_os = "linux")]
mod interrupt;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod judged;
#[cfg(target_os = "linux")]
mod os;
#[cfg(target_os = "linux")]
mod outcome;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod progress;
#[cfg(target_os = "linux")]
mod project;
#[cfg(target_os = "linux")]
mod records;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod simulated;
#[cfg(target_os = "linux")]
mod subject;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use clap::Parser as _;

    // cargo starts `cargo-retake retake test`; it can be started by itself as well.
    let mut words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if words.get(1).is_some_and(|word| word == "retake") {
        words.remove(1);
    }
    let cli = arguments::Cli::parse_from(words);
    match main::run(&cli.command) {
        Ok(code) => code,
        Err(error) => main::refuse(&error),
    }
}

#[cfg(target_os = "linux")]
mod main {
    use std::io::{self, Write as _};
    use std::process::ExitCode;

    use retake_traces::clean::clean;

    use crate::arguments::Command;
    use crate::commands::{self, Status};
    use crate::error::Error;
    use crate::{doctests, environment, inspect};

    pub(super) fn run(command: &Command) -> Result<ExitCode, Error> {
        let mut out = io::stdout();
        let out = &mut out;
        let status = match command {
            // What is read by a program comes alone.
            Command::Test(args) if args.exploration.prints_json() => {
                commands::test(args, &mut io::stderr())
            }
            Command::Run(args) if args.exploration.prints_json() => {
                commands::run(args, &mut io::stderr())
            }
            Command::Test(args) => commands::test(args, out),
            Command::Run(args) => commands::run(args, out),
            Command::Replay(args) => commands::replay(args, out),
            Command::Explain(args) => commands::explain(args, out),
            Command::View(args) => return inspect::inspect("view", args),
            Command::Show(args) => return inspect::inspect("show", args),
            Command::Debug(args) => return inspect::inspect("debug", args),
            Command::Export(args) => return inspect::inspect("export", args),
            Command::Diff(args) => return inspect::inspect("diff", args),
            Command::Runner(args) => {
                environment::note(&args.folder, &args.program).map(|()| Status::Passed)
            }
            // What failed is printed by rustdoc.
            Command::Keeper(args) => {
                doctests::keep(&args.folder, &args.program).map(|()| Status::Failed)
            }
        }?;
        out.flush()?;
        Ok(match status {
            Status::Passed => ExitCode::SUCCESS,
            Status::Failed => ExitCode::FAILURE,
            Status::NotRepeatable => ExitCode::from(3),
        })
    }

    pub(super) fn refuse(error: &Error) -> ExitCode {
        match error {
            // The reader has read enough.
            Error::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Error::Interrupted => {
                eprintln!("interrupted");
                ExitCode::from(130)
            }
            error => {
                // Its further lines are indented, so that they cannot look like ours.
                let text = error.to_string().replace('\n', "\n       ");
                eprintln!("error: {}", clean(&text));
                ExitCode::from(2)
            }
        }
    }
}
