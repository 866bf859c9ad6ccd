//! Running a scenario under the simulator: fresh, traced, or again from a trace.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use retake_inspect::{Comparer, Divergence};
use retake_sim::{Fault, Outcome, Run, Sim, Stats, Strategy};
use retake_traces::record::Record;
use retake_traces::{
    HashSink, Header, Schedule, Sink, TraceError, TraceReader, TraceWriter, verify,
};
use serde::Serialize;

use crate::program;
use crate::report::Report;
use crate::scenario::{self, ReportSlot, Scenario};

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The seed.
    pub seed: u64,
    /// The strategy.
    pub strategy: Strategy,
    /// End of virtual time.
    pub horizon: Duration,
    /// Largest number of steps.
    pub step_limit: u64,
    /// Record texts.
    pub story: bool,
    /// Record causes.
    pub causality: bool,
    /// Record states of actors.
    pub states: bool,
    /// Faults to inject.
    pub faults: Vec<Fault>,
}

/// Steps that a run may take, unless told otherwise.
pub const STEP_LIMIT: u64 = 100_000_000;

impl Settings {
    /// Seed 0, strategy random, an hour.
    #[must_use]
    pub fn new() -> Self {
        Self {
            seed: 0,
            strategy: Strategy::default(),
            horizon: Duration::from_secs(3600),
            step_limit: STEP_LIMIT,
            story: false,
            causality: false,
            states: false,
            faults: Vec::new(),
        }
    }

    fn sim(&self) -> Sim {
        Sim::new()
            .seed(self.seed)
            .strategy(self.strategy.clone())
            .horizon(self.horizon)
            .step_limit(self.step_limit)
            .story(self.story)
            .causality(self.causality)
            .states(self.states)
            .faults(self.faults.iter().cloned())
    }

    /// The header of a trace of this.
    #[must_use]
    pub fn header(&self, scenario: &Scenario) -> Header {
        Header {
            program: program::this().with_version(),
            scenario: scenario.name.to_owned(),
            seed: self.seed,
            strategy: self.strategy.to_string(),
            horizon_ns: u64::try_from(self.horizon.as_nanos()).unwrap_or(u64::MAX),
            step_limit: self.step_limit,
            causality: self.causality,
            story: self.story,
            faults: self.faults.iter().map(ToString::to_string).collect(),
            versions: versions(),
            code: program::this().identity().to_owned(),
            states: self.states,
            ..Header::default()
        }
    }

    /// The settings that a trace was recorded with, but for its strategy.
    fn of_header(header: &Header) -> Result<Self, ReplayError> {
        let unfit = |what: String| ReplayError::Unfit(what);
        if header.horizon_ns == 0 || header.horizon_ns > retake_sim::HORIZON_MAX.as_nanos() as u64 {
            return Err(unfit(format!(
                "its horizon of {} ns is out of range",
                header.horizon_ns
            )));
        }
        let faults: Result<Vec<Fault>, _> =
            header.faults.iter().map(|fault| fault.parse()).collect();
        Ok(Self {
            seed: header.seed,
            strategy: Strategy::default(),
            horizon: Duration::from_nanos(header.horizon_ns),
            step_limit: header.step_limit,
            story: header.story,
            causality: header.causality,
            states: header.states,
            faults: faults.map_err(|error| unfit(error.to_string()))?,
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

fn versions() -> Vec<(String, String)> {
    env!("RETAKE_VERSIONS")
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect()
}

/// How far a run is, for whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    steps: AtomicU64,
    now_ns: AtomicU64,
}

impl Progress {
    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    /// Virtual time so far.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.now_ns.load(Ordering::Relaxed))
    }
}

/// Passes records on and counts them.
struct Counted<S> {
    sink: S,
    steps: u64,
    now_ns: u64,
    progress: Progress,
}

impl<S> Counted<S> {
    /// Steps between updates.
    const EVERY: u64 = 1024;

    fn new(sink: S, progress: &Progress) -> Self {
        Self {
            sink,
            steps: 0,
            now_ns: 0,
            progress: progress.clone(),
        }
    }
}

impl<S: Sink> Sink for Counted<S> {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        if let Record::Step(step) = record {
            self.steps += 1;
            self.now_ns += step.elapsed_ns;
            if self.steps.is_multiple_of(Self::EVERY) {
                self.progress.0.steps.store(self.steps, Ordering::Relaxed);
                self.progress.0.now_ns.store(self.now_ns, Ordering::Relaxed);
            }
        }
        self.sink.record(record)
    }

    fn event_hash(&self) -> u64 {
        self.sink.event_hash()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.sink.finish()
    }
}

/// What a run of a scenario gave. The same for the same seed, on every machine.
#[derive(Debug, Serialize)]
pub struct Finished {
    /// The scenario.
    pub scenario: &'static str,
    /// The seed.
    pub seed: u64,
    /// The strategy.
    pub strategy: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What it took.
    pub stats: Stats,
    /// Hash over the schedule layer, in hexadecimal digits.
    pub event_hash: String,
    /// What it measured, if it got so far.
    pub report: Option<Report>,
    /// The calls that led to a panic, see [`Run::calls`].
    #[serde(skip)]
    pub calls: Vec<String>,
    /// Things to know that do not fail the run.
    pub warnings: Vec<String>,
    /// Why the trace is not complete, or where it differs.
    #[serde(skip)]
    pub trace_error: Option<TraceError>,
}

impl Finished {
    /// True if the run passed and its trace, if any, is complete.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Passed && self.trace_error.is_none()
    }

    fn new(scenario: &'static Scenario, run: Run<()>, slot: &ReportSlot) -> Self {
        let calls = run.calls();
        Self {
            scenario: scenario.name,
            seed: run.seed,
            strategy: run.strategy,
            outcome: run.outcome,
            stats: run.stats,
            event_hash: format!("{:016x}", run.event_hash),
            report: slot.take(),
            calls,
            warnings: run.warnings,
            trace_error: run.trace_error,
        }
    }
}

fn run_into(
    scenario: &'static Scenario,
    settings: &Settings,
    sink: impl Sink + Send + 'static,
    progress: &Progress,
) -> Finished {
    let slot = ReportSlot::default();
    let report = slot.clone();
    let run = settings
        .sim()
        .trace(Counted::new(sink, progress))
        .run(move || scenario.run(report.clone()));
    Finished::new(scenario, run, &slot)
}

/// Run a scenario without a trace.
#[must_use]
pub fn run(scenario: &'static Scenario, settings: &Settings, progress: &Progress) -> Finished {
    run_into(scenario, settings, HashSink::new(), progress)
}

/// Run a scenario into a sink of the caller's.
#[must_use]
pub fn run_with_sink(
    scenario: &'static Scenario,
    settings: &Settings,
    sink: impl Sink + Send + 'static,
) -> Finished {
    run_into(scenario, settings, sink, &Progress::default())
}

/// Run a scenario and record it in a file.
///
/// # Errors
/// If the file cannot be created.
pub fn run_traced(
    scenario: &'static Scenario,
    settings: &Settings,
    path: &Path,
    progress: &Progress,
) -> Result<Finished, TraceError> {
    let writer = TraceWriter::create(path, &settings.header(scenario))?;
    Ok(run_into(scenario, settings, writer, progress))
}

/// Why a trace could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// It was recorded by another program, or for another scenario.
    #[error("cannot replay: {0}")]
    Unfit(String),
}

/// What a replay gave.
#[derive(Debug)]
pub struct Replayed {
    /// The run.
    pub finished: Finished,
    /// The first difference from the recorded run.
    pub divergence: Option<Box<Divergence>>,
    /// Things to know: the program has changed since, for example.
    pub warnings: Vec<String>,
}

/// Run again what a trace recorded, by its schedule, and record all layers in a file.
/// Gives the event hash of the trace and what the run gave.
///
/// # Errors
/// As [`replay`], or if the file cannot be written.
pub fn record_again(
    trace: &Path,
    path: &Path,
    progress: &Progress,
) -> Result<(String, Finished), ReplayError> {
    let summary = verify(trace)?;
    let scenario = scenario_of(&summary.header)?;
    let mut settings = Settings::of_header(&summary.header)?;
    settings.strategy = Strategy::Replay(Arc::new(Schedule::read(TraceReader::open(trace)?)?));
    (settings.story, settings.causality, settings.states) = (true, true, true);
    let header = Header {
        strategy: summary.header.strategy,
        reasons: summary.header.reasons,
        decisive: summary.header.decisive,
        ..settings.header(scenario)
    };
    let writer = TraceWriter::create(path, &header)?;
    let mut finished = run_into(scenario, &settings, writer, progress);
    match finished.trace_error.take() {
        Some(error) => Err(error.into()),
        None => Ok((format!("{:016x}", summary.event_hash), finished)),
    }
}

fn scenario_of(header: &Header) -> Result<&'static Scenario, ReplayError> {
    scenario::named(&header.scenario).map_err(ReplayError::Unfit)
}

/// Run again what a trace recorded and compare every record.
///
/// The schedule is taken from the trace, or with `from_seed` made anew from its
/// seed and strategy.
///
/// # Errors
/// If the file cannot be read, is damaged, or is of a scenario that this program
/// does not have.
pub fn replay(path: &Path, from_seed: bool, progress: &Progress) -> Result<Replayed, ReplayError> {
    // Nothing is run from a damaged file.
    let header = verify(path)?.header;
    let scenario = scenario_of(&header)?;
    let mut settings = Settings::of_header(&header)?;
    settings.strategy = if from_seed {
        header
            .strategy
            .parse()
            .map_err(|error: retake_sim::StrategyError| {
                ReplayError::Unfit(format!(
                    "{error}; replay it from its schedule, without --from-seed"
                ))
            })?
    } else {
        Strategy::Replay(Arc::new(Schedule::read(TraceReader::open(path)?)?))
    };
    let mut warnings = Vec::new();
    let ours = settings.header(scenario);
    if ours.code != header.code {
        warnings.push("the program has changed since the trace was recorded".to_owned());
    }
    for (name, version) in header
        .versions
        .iter()
        .filter(|pair| !ours.versions.contains(pair))
    {
        warnings.push(format!("the trace was recorded with {name} {version}"));
    }
    let comparer = Comparer::new(TraceReader::open(path)?, path.display().to_string(), true);
    let mut finished = run_into(scenario, &settings, comparer, progress);
    let divergence = match finished.trace_error.take() {
        None => None,
        Some(error) => Some(Divergence::from_error(error)?),
    };
    Ok(Replayed {
        finished,
        divergence,
        warnings,
    })
}
