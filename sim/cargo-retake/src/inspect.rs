//! `view`, `show`, `debug`, `export` and `diff`: what every program of Retake has for traces.
//! A saved case is run into a trace first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use retake_cli::Program;
use retake_sim::explore::Case;
use tempfile::TempDir;

use crate::arguments::{Cli, Command, InspectArgs};
use crate::commands::LoadedCase;
use crate::error::Error;

/// The name that hints of commands have.
const NAME: &str = "cargo retake";

/// Run this command with these arguments.
///
/// # Errors
/// If a case among them cannot be run.
pub(crate) fn inspect(name: &str, args: &InspectArgs) -> Result<ExitCode, Error> {
    let mut traces = Vec::new();
    let mut words: Vec<OsString> = vec![NAME.into(), name.into()];
    for word in &args.arguments {
        match recorded(Path::new(word))? {
            Some(trace) => {
                words.push(trace.path.clone().into());
                traces.push(trace);
            }
            None => words.push(word.clone()),
        }
    }
    if let (Some(trace), "view") = (traces.first(), name)
        && !words.iter().any(|it| it == "-o" || it == "--out")
    {
        // Not where the trace is, which is removed.
        words.push("--out".into());
        words.push(trace.case.with_extension("html").into());
    }
    Ok(Program::new(NAME, env!("CARGO_PKG_VERSION")).main_with(words))
}

/// The trace of a case, until it is dropped.
struct CaseTrace {
    case: PathBuf,
    path: PathBuf,
    _folder: TempDir,
}

/// The trace of this file, if it is a case.
fn recorded(file: &Path) -> Result<Option<CaseTrace>, Error> {
    if file.extension().is_none_or(|it| it != "json") || Case::load(file).is_err() {
        return Ok(None);
    }
    // With the limits and the features that are usual.
    let usual = Cli::try_parse_from([Path::new("cargo-retake"), Path::new("explain"), file]);
    let Ok(Command::Explain(args)) = usual.map(|cli| cli.command) else {
        return Ok(None);
    };
    let loaded = LoadedCase::new(&args)?;
    let folder = tempfile::tempdir().map_err(Error::of("create", Path::new("a folder")))?;
    let name = file.file_stem().unwrap_or_default();
    let path = folder.path().join(name).with_extension("retake");
    loaded.record(&path)?;
    Ok(Some(CaseTrace {
        case: file.to_owned(),
        path,
        _folder: folder,
    }))
}
