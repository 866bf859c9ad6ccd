//! A test of another program as a scenario: each case is one process of it.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use retake_sim::explore::{Case, External, ExternalRun, RunRequest, Scenario, WholeProgram};
use retake_sim::{Fault, Outcome, Place, panics};
use retake_traces::Layers;
use retake_traces::TraceError;
use retake_traces::sink::{HashSink, Sink};
use retake_traces::strategy::{Hold, Strategy};

use crate::answer::Answer;
use crate::faults;
use crate::interrupt::Interrupt;
use crate::process::{self, Exit, Folders, ProcessEnd, Program};
use crate::records::Recorder;
use crate::subject::Subject;
use retake_seeded::child::{self, AnswerError, Event, Request};

/// What all runs have in common.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What makes each run, unless its case has settings of its own.
    pub(crate) whole_program: WholeProgram,
    /// Real time after which a run hangs.
    pub(crate) time_max: Duration,
    /// The largest memory of a run for data, in bytes.
    pub(crate) memory_max: u64,
}

impl Settings {
    fn limits(&self) -> process::Limits {
        process::Limits {
            time_max: self.time_max,
            memory_max: self.memory_max,
            printed_max: process::PRINTED_MAX,
        }
    }
}

/// Where runs take place, and who may end them.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) folders: Arc<Folders>,
    pub(crate) interrupt: Interrupt,
}

/// A program whose runs are simulated.
#[derive(Debug)]
pub(crate) struct SimulatedProgram {
    program: Program,
    /// The name of the test that the harness runs in a thread; empty where it runs as a program.
    test: String,
    settings: Settings,
    host: Host,
    found: Mutex<RunNotes>,
}

/// What runs have shown in addition to how they ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunNotes {
    /// Why nothing can be said of this program, if so.
    pub(crate) error: Option<String>,
    /// What may keep runs from being repeated.
    pub(crate) notes: Vec<String>,
    /// No seeded tokio has answered, in any run.
    pub(crate) has_tokio: bool,
    /// A runtime was built.
    pub(crate) has_runtime: bool,
}

/// A run in a process, with its events read.
struct RunOutcome {
    answer: Answer,
    outcome: Outcome,
    printed: String,
    /// The calls that led to a panic.
    calls: Vec<String>,
    trace_error: Option<TraceError>,
}

impl SimulatedProgram {
    pub(crate) fn new(subject: &Subject, settings: Settings, host: Host) -> Arc<Self> {
        Arc::new(Self {
            program: subject.program.clone(),
            test: match &subject.test {
                Some(test) if subject.has_harness => test.clone(),
                _ => String::new(),
            },
            settings,
            host,
            found: Mutex::default(),
        })
    }

    /// It as a scenario.
    pub(crate) fn scenario(self: &Arc<Self>) -> Scenario {
        Scenario::external(Handle(Arc::clone(self)))
    }

    pub(crate) fn found(&self) -> RunNotes {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.clone()
    }

    /// Run it as it is, with the clock and the scheduler that it has by itself, and with so
    /// many times the time of a run.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(crate) fn run_stock(&self, times: u32) -> std::io::Result<ProcessEnd> {
        let folder = self.host.folders.take();
        let (mut limits, interrupt) = (self.settings.limits(), &self.host.interrupt);
        limits.time_max = limits.time_max.saturating_mul(times);
        // Tests that search by themselves run once.
        let live = [("RETAKE_LIVE", "1".into())];
        process::run(&self.program, &live, &folder, limits, interrupt)
    }

    fn request(&self, case: &Case, wanted: &RunRequest, records: bool) -> Result<Request, String> {
        let config = &case.config;
        for fault in &config.faults {
            faults::check(fault)?;
        }
        // Draws of the program derive from the same seed: who asks for the schedule of another
        // one runs its constraints again with the seed of the case.
        let (strategy, seed) = match &wanted.schedule {
            Some((strategy, seed)) => (strategy, *seed),
            None => (&config.strategy, config.seed),
        };
        let (strategy, holds) = strategy_text(strategy)?;
        let whole_program = case.whole_program.unwrap_or(self.settings.whole_program);
        Ok(Request {
            seed,
            strategy,
            holds,
            faults: config.faults.iter().map(Fault::planned).collect(),
            step_limit: config.step_limit,
            horizon_ns: config.horizon_ns,
            step_ns: whole_program.step_ns,
            preempt: whole_program.preempt,
            records,
            wants_holds: wanted.holds,
            answer: std::path::PathBuf::new(),
        })
    }

    /// Run a case once, with its steps recorded or without.
    fn run_once(
        &self,
        request: &Request,
        faults: &[Fault],
        layers: Layers,
        calls: bool,
        sink: &mut dyn Sink,
    ) -> Result<RunOutcome, String> {
        let folder = self.host.folders.take();
        let request = Request {
            answer: folder.answer(),
            ..request.clone()
        };
        let variables = request.variables().map_err(|error| error.to_string())?;
        let mut variables = variables.to_vec();
        if calls {
            variables.push(("RUST_BACKTRACE", "1".into()));
        }
        let (limits, interrupt) = (self.settings.limits(), &self.host.interrupt);
        let finished = process::run(&self.program, &variables, &folder, limits, interrupt);
        let ProcessEnd { exit, printed } = finished.map_err(|error| {
            let executable = self.program.executable.display();
            format!("cannot run {executable}: {error}")
        })?;
        let events = events_of(&request.answer, &exit)?;
        let mut recorder = Recorder::new(layers, sink);
        let answer = Answer::read(&events, &self.test, faults, &mut recorder);
        let outcome = answer.outcome(&exit, &printed);
        let trace_error = recorder.end(&outcome, &answer.stats);
        self.note(&answer, &exit);
        let calls = match &outcome {
            Outcome::Panicked {
                place: Some(place), ..
            } if calls => calls_of(&printed, place),
            _ => answer.places_of_awaits(),
        };
        Ok(RunOutcome {
            calls,
            answer,
            outcome,
            printed,
            trace_error,
        })
    }

    fn note(&self, answer: &Answer, exit: &Exit) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.has_tokio |= answer.tokio.is_some();
        found.has_runtime |= answer.has_runtime;
        for note in &answer.notes {
            if *exit != Exit::Interrupted && !found.notes.contains(note) {
                found.notes.push(note.clone());
            }
        }
    }

    fn fail(&self, error: String) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.error.get_or_insert(error);
    }

    /// Whether a further run would be killed as well, or takes as long as it may.
    fn is_over(&self, outcome: &Outcome) -> bool {
        self.host.interrupt.is_asked() || matches!(outcome, Outcome::Lost { hangs: true, .. })
    }

    fn run_case(
        &self,
        case: &Case,
        wanted: &RunRequest,
        sink: &mut dyn Sink,
    ) -> Result<ExternalRun, String> {
        let records = sink.keeps_records() || wanted.holds;
        let request = self.request(case, wanted, records)?;
        let calls = wanted.calls && panics::wants_calls();
        let faults = &case.config.faults;
        let mut ran = self.run_once(&request, faults, wanted.layers, calls, sink)?;
        let is_nameless = !records && ran.answer.tokio.is_some();
        if ran.outcome != Outcome::Passed && is_nameless && !self.is_over(&ran.outcome) {
            // Who failed has a name where steps are recorded: once more.
            let request = self.request(case, wanted, true)?;
            let layers = Layers::default();
            let again = self.run_once(&request, faults, layers, calls, &mut HashSink::new())?;
            // It is for `check_determinism` to say that two runs differ.
            if again.outcome.kind() == ran.outcome.kind() {
                ran.outcome = again.outcome;
                ran.calls = again.calls;
            }
        }
        let mut external = ExternalRun::new(case, ran.outcome);
        let missed = faults::not_injected(faults, &ran.answer);
        external.run.stats = ran.answer.stats;
        external.run.event_hash = ran.answer.hash;
        let is_whole = !matches!(external.run.outcome, Outcome::Lost { .. });
        external.run.warnings = ran.answer.notes;
        for (fault, why) in missed.into_iter().filter(|_| is_whole) {
            let warning = format!("fault `{fault}` was not injected: {why}");
            external.run.warnings.push(warning);
            external.run.not_injected.push(fault);
        }
        external.run.backtrace = ran.calls;
        external.run.trace_error = ran.trace_error;
        external.holds = ran.answer.holds;
        if wanted.prints {
            external.printed = ran.printed;
        }
        Ok(external)
    }
}

/// What a run has recorded in this file.
fn events_of(answer: &Path, exit: &Exit) -> Result<Vec<Event>, String> {
    match child::read(answer) {
        Ok(events) => Ok(events),
        // No seeded tokio was linked, or the process ended before that began.
        Err(AnswerError::NotWritten { .. }) => Ok(Vec::new()),
        // A process that was killed may have left a part of an event.
        Err(AnswerError::Damaged { .. }) if !matches!(exit, Exit::Code(_)) => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

/// The calls of the user's code that led to the panic in this place, from what a run has printed.
fn calls_of(printed: &str, place: &Place) -> Vec<String> {
    let Some((_, after)) = printed.rsplit_once(&format!("panicked at {place}:")) else {
        return Vec::new();
    };
    let Some((_, backtrace)) = after.split_once("stack backtrace:\n") else {
        return Vec::new();
    };
    let lines = backtrace.lines().take_while(|line| line.starts_with(' '));
    let backtrace: Vec<&str> = lines.collect();
    let mut calls = panics::user_calls(&backtrace.join("\n"));
    // The copy is a dependency as well.
    calls.retain(|call| !call.contains("/retake/tokio-"));
    calls
}

/// A strategy as the child reads it, and ordering constraints if it consists of them.
fn strategy_text(strategy: &Strategy) -> Result<(String, Vec<Hold>), String> {
    match strategy {
        Strategy::Holds(holds) => Ok(("holds".to_owned(), holds.to_vec())),
        Strategy::Replay(_) | Strategy::Deviations(_) | Strategy::Live | Strategy::Custom(_) => {
            Err(format!(
                "a test binary cannot be run by the strategy `{strategy}`"
            ))
        }
        strategy => Ok((strategy.to_string(), Vec::new())),
    }
}

/// The trait is for what is shared.
struct Handle(Arc<SimulatedProgram>);

impl External for Handle {
    fn run(&self, case: &Case, wanted: &RunRequest, sink: &mut dyn Sink) -> ExternalRun {
        let Self(simulated) = self;
        simulated
            .run_case(case, wanted, sink)
            .unwrap_or_else(|error| {
                simulated.fail(error.clone());
                let outcome = Outcome::Lost {
                    how: error,
                    hangs: false,
                };
                ExternalRun::new(case, outcome)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_seeded_tokio_has_written_has_no_events() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("answer");
        assert_eq!(events_of(&file, &Exit::Code(0)), Ok(Vec::new()));
        std::fs::write(&file, "something else, of some length").unwrap();
        assert_eq!(events_of(&file, &Exit::Code(0)), Ok(Vec::new()));
    }

    #[test]
    fn calls_are_those_of_the_panic_that_counts() {
        let place = Place {
            file: "src/lib.rs".to_owned(),
            line: 3,
            column: 5,
        };
        let printed = "\
thread 'a' panicked at src/lib.rs:3:5:
sold out
stack backtrace:
   0: core::panicking::panic_fmt
             at /rustc/0123/library/core/src/panicking.rs:80:14
   1: shop::pay::{{closure}}
             at ./src/lib.rs:3:5
   2: tokio::runtime::task::core::Core<T,S>::poll
             at ./target/retake/tokio-1.47.0-0123/src/runtime/task/core.rs:365:17
note: some details are omitted
thread 'b' panicked at src/lib.rs:9:5:
stack backtrace:
   0: shop::other
             at ./src/lib.rs:9:5
";
        let calls = calls_of(printed, &place);
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert!(calls[0].starts_with("in shop::pay") && calls[0].ends_with("src/lib.rs:3:5"));
    }
}
