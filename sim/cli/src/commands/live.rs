//! `replay` of a recording of a live process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use retake_sim::recording::{FollowReport, Recording, RecordingError};
use retake_sim::{Outcome, Stats};
use retake_traces::clean::one_line;
use retake_traces::counted;
use retake_traces::{
    Header, Layers, RunConfig, Sink, Strategy, TraceError, TraceReader, TraceWriter,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::output::{partial, print_json, wrap};
use crate::program::Program;
use crate::recording::{AnyFollower, Findings};
use crate::status::{Error, Status};

/// What there is of a trace or recording: the file, or what a process that was killed has
/// left of it.
pub(crate) fn find(file: &Path) -> PathBuf {
    let partial_file = partial(file);
    if !file.exists() && partial_file.exists() {
        partial_file
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
    let left = crashes.chain(std::iter::once(partial(file)));
    left.filter(|path| matches!((changed(path), changed(file)), (Some(it), Some(of)) if it > of))
        .collect()
}

/// True for a recording of a live process.
pub(crate) fn is_live(file: &Path) -> Result<bool, Error> {
    Ok(TraceReader::open(file)?.header().config.strategy == Strategy::Live)
}

/// The strategy in traces of replays.
const FOLLOWED: &str = "followed";

impl From<RecordingError> for Error {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::File(error) => Self::File(error),
            other @ RecordingError::NotLive(_) => Self::Usage(other.to_string()),
        }
    }
}

/// A replay of what a live process recorded.
#[derive(Debug, Serialize)]
struct LiveReplay {
    /// The program that recorded.
    program: String,
    followed: FollowReport,
    outcome: Outcome,
    stats: Stats,
    #[serde(flatten)]
    figures: Map<String, Value>,
    warnings: Vec<String>,
    /// Lines for people, which say what the figures do.
    #[serde(skip)]
    lines: Vec<String>,
    /// Why the trace is not complete.
    #[serde(skip)]
    trace_error: Option<TraceError>,
}

/// Follow a recording by the program's code for its process; into a trace, if one is asked for.
fn follow(program: &Program, file: &Path, trace: Option<&Path>) -> Result<LiveReplay, Error> {
    let recording = Recording::open(file)?;
    let header = recording.header();
    let Some(follower) = program.follower(&header.scenario) else {
        return Err(Error::Usage(format!(
            "`{}` is a recording of `{}`, which `{}` does not follow: follow it with \
             `retake_sim::recording` in the program that has that scenario",
            file.display(),
            header.scenario,
            program.name()
        )));
    };
    let mut warnings = Vec::new();
    if header.code != program.identity() {
        warnings.push("the program has changed since the recording".to_owned());
    }
    let sink = match trace {
        None => None,
        Some(path) => {
            let header = Header {
                config: RunConfig {
                    strategy: Strategy::Custom(FOLLOWED.to_owned()),
                    ..header.config.clone()
                },
                layers: Layers::ALL,
                ..header.clone()
            };
            let writer = TraceWriter::create(path, &header)?;
            Some(Box::new(writer) as Box<dyn Sink + Send>)
        }
    };
    let follower: Arc<dyn AnyFollower> = follower.into();
    let (runs, does_again) = (Arc::clone(&follower), Arc::clone(&follower));
    let scenario = move || {
        let follower = Arc::clone(&runs);
        async move { follower.scenario().await }
    };
    let on_input = move |input| {
        let follower = Arc::clone(&does_again);
        async move { follower.input(input).await }
    };
    let replayed = recording.replay_inputs(sink, scenario, on_input)?;
    let run = replayed.run;
    warnings.extend(run.warnings);
    let Findings { figures, lines } = follower.findings();
    Ok(LiveReplay {
        program: header.program.clone(),
        followed: replayed.followed,
        outcome: run.outcome,
        stats: run.stats,
        figures,
        warnings,
        lines,
        trace_error: run.trace_error,
    })
}

pub(crate) fn replay(
    program: &Program,
    file: &Path,
    trace: Option<&Path>,
    json: bool,
    out: &mut dyn Write,
) -> Result<Status, Error> {
    let mut replayed = follow(program, file, trace)?;
    for path in younger(file) {
        replayed.warnings.push(format!(
            "`{0}` is younger: a later recording has no end, or is still being made. To follow \
             that one: {1} replay {0}",
            path.display(),
            program.name()
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

fn print(file: &Path, replayed: &LiveReplay, out: &mut dyn Write) -> Result<(), Error> {
    let FollowReport {
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
    for line in &replayed.lines {
        writeln!(out, "{line}")?;
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
