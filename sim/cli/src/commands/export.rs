//! `export`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use retake_inspect::export::{ExportError, Format, Selection};
use retake_sim::did_you_mean;
use retake_sim::explore::Case;
use retake_traces::file::{FileError, OutputFile, check_output, refuse_input};
use tempfile::TempDir;

use super::case::{self, is_case};
use crate::program::Program;
use crate::signals::Interrupt;
use crate::status::{Error, Status};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The trace, or a saved case, which is run again.
    file: PathBuf,
    /// What to write: perfetto (also for `chrome://tracing`), mermaid, shiviz, otlp or
    /// jsonl. See docs/exports.md for how to open each.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    format: Format,
    /// Where to write it. Default: standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only from this step on.
    #[arg(long, value_name = "STEP", default_value_t = 0)]
    from: u64,
    /// Only up to this step.
    #[arg(long, value_name = "STEP", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Only this actor or task; without an incarnation number, all of its
    /// incarnations. May be given several times.
    #[arg(long = "actor", value_name = "NAME")]
    actors: Vec<String>,
}

fn format(text: &str) -> Result<Format, String> {
    let near = || did_you_mean(text, Format::ALL.map(Format::name));
    text.parse().map_err(|error| format!("{error}{}", near()))
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Trace(error) => Self::File(error),
            ExportError::Output(error) => Self::Output(error),
            ExportError::TooLarge(what) => Self::Usage(what),
        }
    }
}

pub(crate) fn export(
    program: &Program,
    args: &ExportArgs,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    if args.from > args.to {
        return Err(Error::Usage(format!(
            "--from {} is after --to {}",
            args.from, args.to
        )));
    }
    if let Some(path) = &args.out {
        refuse_input(path, [&*args.file])?;
        check_output(path)?;
    }
    let recorded = is_case(&args.file).then(|| record(program, &args.file));
    let recorded = recorded.transpose()?;
    let trace = recorded.as_ref().map_or(&*args.file, |(_, path)| path);
    // So that nothing is written of a file that is damaged.
    retake_traces::verify(trace)?;
    let selection = Selection {
        from: args.from,
        to: args.to,
        actors: args.actors.clone(),
    };
    let exporter = &mut *args.format.exporter();
    let Some(path) = &args.out else {
        retake_inspect::export::export(trace, &selection, exporter, out)?;
        return Ok(Status::Passed);
    };
    let mut file = OutputFile::create(path)?;
    let written = retake_inspect::export::export(trace, &selection, exporter, &mut file);
    written.map_err(|error| match error {
        ExportError::Output(error) => FileError::of("write", path)(error).into(),
        error => Error::from(error),
    })?;
    file.finish()?;
    Ok(Status::Passed)
}

/// The trace of a saved case, with all layers, in a folder that goes with the first value.
pub(crate) fn record(program: &Program, file: &Path) -> Result<(TempDir, PathBuf), Error> {
    let case = Case::load(file)?;
    let scenario = program.named(&case.scenario)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("case.retake");
    let header = case.header(program.name_and_version(), program.identity());
    let interrupt = Interrupt::listen();
    case::record(&case, scenario, header, &path, &interrupt)?;
    interrupt.end_at_once()?;
    Ok((folder, path))
}
