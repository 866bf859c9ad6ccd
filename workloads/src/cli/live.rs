//! `replay` of a recording of a live process.

use std::io::Write;
use std::path::{Path, PathBuf};

use retake_sim::recording::Followed;
use retake_traces::TraceReader;
use retake_traces::clean::one_line;
use retake_traces::counted;
use retake_traces::live::STRATEGY;
use serde_json::json;

use super::{Error, Status, print_json, wrap};
use crate::program;
use crate::served::{self, Replayed, ServedError};

/// What there is of a trace or recording: the file, or what a process that was killed has
/// left of it.
pub(super) fn find(file: &Path) -> PathBuf {
    let partial = super::partial(file);
    if !file.exists() && partial.exists() {
        partial
    } else {
        file.to_owned()
    }
}

/// What processes that were killed have left next to a complete recording, if it is
/// younger, and what is being recorded there now.
fn younger(file: &Path) -> Vec<PathBuf> {
    let changed = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let crash = |number: u32| {
        let mut path = file.as_os_str().to_owned();
        path.push(format!(".crash-{number}"));
        PathBuf::from(path)
    };
    let crashes = (1..).map(crash).take_while(|path| path.exists());
    let partial = std::iter::once(super::partial(file));
    let left = crashes.chain(partial);
    left.filter(|path| matches!((changed(path), changed(file)), (Some(it), Some(of)) if it > of))
        .collect()
}

/// True for a recording of a live process.
pub(super) fn is_live(file: &Path) -> Result<bool, Error> {
    Ok(TraceReader::open(file)?.header().strategy == STRATEGY)
}

impl From<ServedError> for Error {
    fn from(error: ServedError) -> Self {
        use retake_sim::recording::RecordingError;
        match error {
            ServedError::File(error) | ServedError::Recording(RecordingError::File(error)) => {
                Self::File(error)
            }
            other => Self::Usage(other.to_string()),
        }
    }
}

pub(super) fn replay(
    file: &Path,
    trace: Option<&Path>,
    json: bool,
    out: &mut impl Write,
) -> Result<Status, Error> {
    let mut replayed = served::replay(file, trace)?;
    for path in younger(file) {
        replayed.warnings.push(format!(
            "`{0}` is younger: a later recording has no end, or is still being made. To follow \
             that one: {1} replay {0}",
            path.display(),
            program::this().name()
        ));
    }
    let passed = replayed.followed.is_complete();
    if json {
        print_json(
            &json!({ "file": file, "complete": passed, "replay": replayed }),
            out,
        )?;
    } else {
        print(file, &replayed, out)?;
        if let (Some(trace), None) = (trace, &replayed.trace_error) {
            writeln!(out, "trace        {}", trace.display())?;
        }
    }
    match replayed.trace_error.take() {
        Some(error) => Err(error.into()),
        None if passed => Ok(Status::Passed),
        None => Ok(Status::Failed),
    }
}

fn print(file: &Path, replayed: &Replayed, out: &mut impl Write) -> Result<(), Error> {
    let Followed {
        recorded, honoured, ..
    } = replayed.followed;
    for warning in &replayed.warnings {
        wrap(&format!("warning: {}", one_line(warning)), out)?;
    }
    writeln!(
        out,
        "recording    {} by {}: {:.3} s",
        file.display(),
        replayed.program,
        replayed.stats.virtual_time.as_secs_f64()
    )?;
    writeln!(
        out,
        "honoured     {honoured} of {}",
        counted(recorded, "step")
    )?;
    for (name, (same, all)) in &replayed.followed.outputs {
        writeln!(out, "{:<12} {same} of {all} the same", format!("{name}s"))?;
    }
    for (tenant, receipts, hash) in &replayed.tenants {
        let hash = hash.get(..16).unwrap_or(hash);
        writeln!(
            out,
            "chain        {tenant}: {} up to {hash}…",
            counted(*receipts, "receipt")
        )?;
    }
    for violation in &replayed.followed.violations {
        wrap(&format!("violated     {violation}"), out)?;
    }
    if let Some(stops) = &replayed.followed.stops {
        wrap(&format!("ends         {stops}"), out)?;
    }
    let Some(divergence) = &replayed.followed.divergence else {
        return Ok(());
    };
    wrap(&format!("diverges     {divergence}"), out)?;
    let behind = replayed.followed.by_task.iter();
    let mut behind: Vec<_> = behind
        .filter(|(_, (honoured, all))| honoured < all)
        .collect();
    behind.sort_by_key(|(_, (honoured, all))| std::cmp::Reverse(all - honoured));
    for (label, (honoured, all)) in behind.iter().take(8) {
        writeln!(out, "  {label:<30} {honoured} of {}", counted(*all, "step"))?;
    }
    if behind.len() > 8 {
        writeln!(out, "  and {} more", behind.len() - 8)?;
    }
    Ok(())
}
