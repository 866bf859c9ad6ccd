//! What is looked at: a trace with as many layers as can be had.

use std::path::Path;

use retake_inspect::Timeline;
use retake_sim::explore::Case;
use retake_traces::counted;
use retake_traces::record::OutcomeKind;
use retake_traces::{Header, TraceReader};
use tempfile::TempDir;

use super::super::case::is_case;
use super::super::export;
use super::super::progress::{shown, spinner};
use crate::program::Program;
use crate::run::{ReplayError, Runner};
use crate::signals::Interrupt;
use crate::status::Error;

/// A trace that is open.
pub(super) struct Source {
    pub(super) timeline: Timeline,
    /// What the person should know about it.
    pub(super) notes: Vec<String>,
    /// Holds the trace of a run that was executed again.
    pub(super) folder: Option<TempDir>,
}

impl Source {
    /// Whether the file can be looked at, as far as its beginning tells.
    pub(super) fn check(file: &Path) -> Result<(), Error> {
        if is_case(file) {
            Case::load(file)?;
        } else {
            TraceReader::open(file)?;
        }
        Ok(())
    }

    pub(super) fn open(program: &Program, file: &Path) -> Result<Self, Error> {
        if is_case(file) {
            return Self::of_case(program, file);
        }
        let header = TraceReader::open(file)?.header().clone();
        let lacking = lacking(&header);
        if lacking.is_empty() {
            return Self::of_trace(file, Vec::new(), None);
        }
        let lacking = lacking.join(", ");
        match execute_again(program, file, &header)? {
            Ok((folder, path)) => Self::of_trace(
                &path,
                vec![format!("executed again to record {lacking}")],
                Some(folder),
            ),
            Err(why) => Self::of_trace(
                file,
                vec![format!("the trace has no {lacking}, and {why}")],
                None,
            ),
        }
    }

    fn of_trace(path: &Path, notes: Vec<String>, folder: Option<TempDir>) -> Result<Self, Error> {
        let bar = spinner();
        let timeline = Timeline::open_with(path, |steps| {
            bar.set_message(format!("reading: {}", counted(steps, "step")));
            bar.tick();
        });
        bar.finish_and_clear();
        let timeline = timeline?;
        let mut notes = notes;
        if let Some(damage) = timeline.damage() {
            notes.push(if timeline.end().outcome == OutcomeKind::CutShort {
                let step = timeline.steps();
                format!("the trace is cut short after step {step}: {damage}")
            } else {
                format!("the trace is damaged behind the run's end: {damage}")
            });
        }
        Ok(Self {
            timeline,
            notes,
            folder,
        })
    }

    fn of_case(program: &Program, file: &Path) -> Result<Self, Error> {
        let case = Case::load(file)?;
        let mut notes = vec![format!("executed from the case {}", file.display())];
        if case.code != program.identity() {
            notes.push("the program has changed since the case was saved".to_owned());
        }
        let (folder, path) = export::record(program, file)?;
        Self::of_trace(&path, notes, Some(folder))
    }
}

/// The layers that a trace was recorded without.
fn lacking(header: &Header) -> Vec<&'static str> {
    [
        (header.layers.story, "texts"),
        (header.layers.causality, "causes"),
        (header.layers.states, "states"),
    ]
    .into_iter()
    .filter_map(|(has, name)| (!has).then_some(name))
    .collect()
}

type Again = (TempDir, std::path::PathBuf);

/// Run again what the trace recorded, with all layers; the inner error says why this
/// program cannot.
fn execute_again(
    program: &Program,
    file: &Path,
    header: &Header,
) -> Result<Result<Again, String>, Error> {
    let Some(found) = program.find(&header.scenario) else {
        return Ok(Err(format!(
            "this program has no scenario `{}` to execute again",
            header.scenario
        )));
    };
    if header.code != program.identity() {
        return Ok(Err(
            "this program is not the one that recorded it, so it is not executed again".to_owned(),
        ));
    }
    if header.config.strategy == retake_traces::Strategy::Live {
        return Ok(Err("a live recording is not executed again".to_owned()));
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("again.retake");
    let runner = Runner::new(program);
    let interrupt = Interrupt::listen();
    runner.workers().iter().for_each(|it| interrupt.cancels(it));
    let done = shown(found.expected_time(), |progress| {
        runner.record_again(file, &path, progress)
    });
    interrupt.end_at_once()?;
    let (expected, finished) = match done {
        Err(ReplayError::Trace(error)) if error.is_damage() => {
            return Ok(Err("what is left of a run is not executed again".to_owned()));
        }
        done => done?,
    };
    if finished.is_refused {
        return Ok(Err(format!(
            "it cannot be executed again: {}",
            finished.outcome
        )));
    }
    if expected != finished.event_hash {
        return Ok(Err(format!(
            "executed again it runs otherwise: its event hash is {} instead of {expected}",
            finished.event_hash
        )));
    }
    Ok(Ok((folder, path)))
}
