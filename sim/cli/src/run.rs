//! Running a scenario under the simulator: fresh, traced, or again from a trace.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use retake_inspect::{Comparer, Divergence};
use retake_sim::explore::{self, Execution};
use retake_sim::isolate::Workers;
use retake_sim::plan::PlainRun;
use retake_sim::{Outcome, Run, Sim, Stats, Strategy};
use retake_traces::clean::one_line;
use retake_traces::{
    HashSink, Header, Layers, RunConfig, Sink, TraceError, TraceReader, TraceWriter, verify,
};
use serde::Serialize;

use crate::program::Program;
use crate::scenario::{RecordedReport, ReportSlot, Scenario};
use crate::workers::workers;

pub use crate::settings::Settings;

/// How far a run is, for display.
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

    fn set(&self, steps: u64, now: Duration) {
        let now_ns = retake_traces::time::nanos(now);
        self.0.steps.store(steps, Ordering::Relaxed);
        self.0.now_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Virtual time so far.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.now_ns.load(Ordering::Relaxed))
    }
}

/// What a run of a scenario gave. The same for the same seed, on every machine.
#[derive(Debug, Serialize)]
pub struct RunReport {
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
    pub report: Option<RecordedReport>,
    /// The calls that led to a panic, see [`Run::calls`].
    #[serde(skip)]
    pub calls: Vec<String>,
    /// Things to know that do not fail the run.
    pub warnings: Vec<String>,
    /// Why the trace is not complete, or where it differs.
    #[serde(skip)]
    pub trace_error: Option<TraceError>,
    /// There was no run to its end: the workers were stopped, or could not start.
    #[serde(skip)]
    pub is_refused: bool,
}

impl RunReport {
    /// True if the run passed and its trace, if any, is complete.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Passed && self.trace_error.is_none()
    }

    fn new(scenario: &Scenario, run: Run<()>, report: Option<RecordedReport>) -> Self {
        let calls = run.calls();
        Self {
            scenario: scenario.name(),
            seed: run.seed,
            strategy: run.strategy,
            outcome: run.outcome,
            stats: run.stats,
            event_hash: format!("{:016x}", run.event_hash),
            report,
            calls,
            warnings: run.warnings,
            trace_error: run.trace_error,
            is_refused: false,
        }
    }
}

/// Where runs take place: each in a process of its own, or all in this one.
#[derive(Clone, Debug)]
pub struct Runner<'p> {
    program: &'p Program,
    workers: Option<Arc<Workers>>,
}

/// How long a run may take that somebody waits for: until that person ends it.
const RUN_TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

impl<'p> Runner<'p> {
    /// Workers of this program, which has to serve as one, see [`Program::main`].
    #[must_use]
    pub fn new(program: &'p Program) -> Self {
        Self {
            program,
            workers: Some(workers(RUN_TIME_MAX, None)),
        }
    }

    /// Run in this process: for tests, whose program does not serve as a worker. What a run
    /// leaves in statics, the next one meets.
    #[must_use]
    pub fn here(program: &'p Program) -> Self {
        Self {
            program,
            workers: None,
        }
    }

    /// The workers, unless it runs in this process.
    #[must_use]
    pub fn workers(&self) -> Option<&Arc<Workers>> {
        self.workers.as_ref()
    }

    fn place(&self, scenario: &Scenario) -> explore::Scenario {
        match &self.workers {
            Some(workers) => scenario.isolated(Arc::clone(workers)),
            None => scenario.to_explore(),
        }
    }

    /// Run a scenario without a trace.
    #[must_use]
    pub fn run(&self, scenario: &Scenario, settings: &Settings, progress: &Progress) -> RunReport {
        self.execute(scenario, settings, None, HashSink::new(), progress)
    }

    /// What a scenario's plain run, first in, first out without faults, says about others: by
    /// it a campaign draws the faults of its seeds.
    #[must_use]
    pub fn plain_run(
        &self,
        scenario: &Scenario,
        settings: &Settings,
        progress: &Progress,
    ) -> PlainRun {
        let plain = RunConfig {
            seed: 0,
            strategy: Strategy::Fifo,
            faults: Vec::new(),
            ..settings.config.clone()
        };
        let case = explore::Case::new(scenario.name(), plain);
        let placed = self.place(scenario);
        let progress = progress.clone();
        let execution = Execution::of(&case).silent();
        let executed = execution.run(&placed, HashSink::new(), move |steps, now| {
            progress.set(steps, now);
        });
        executed.run.stats.plain()
    }

    /// Run a scenario and record it in a file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn run_traced(
        &self,
        scenario: &Scenario,
        settings: &Settings,
        path: &Path,
        progress: &Progress,
    ) -> Result<RunReport, TraceError> {
        let writer = TraceWriter::create(path, &settings.header(self.program, scenario))?;
        Ok(self.execute(scenario, settings, None, writer, progress))
    }

    /// Run a scenario, with the schedule of a trace if there is one.
    fn execute(
        &self,
        scenario: &Scenario,
        settings: &Settings,
        schedule_of: Option<&Path>,
        sink: impl Sink + Send + 'static,
        progress: &Progress,
    ) -> RunReport {
        let case = settings.case(scenario);
        let placed = self.place(scenario);
        let mut execution = Execution::of(&case).record(settings.layers);
        if let Some(trace) = schedule_of {
            execution = execution.schedule_of(trace);
        }
        let progress = progress.clone();
        let executed = execution.run(&placed, sink, move |steps, now| {
            progress.set(steps, now);
        });
        let report = executed.report;
        let report = report.and_then(|text| RecordedReport::from_message(&text));
        RunReport {
            is_refused: executed.is_refused,
            ..RunReport::new(scenario, executed.run, report)
        }
    }
}

/// Run a scenario in this process, into a sink of the caller's. What earlier runs left in
/// statics, this one meets: [`Runner`] has a process for each.
#[must_use]
pub fn run_with_sink(
    scenario: &Scenario,
    settings: &Settings,
    sink: impl Sink + Send + 'static,
) -> RunReport {
    let slot = ReportSlot::default();
    let report = slot.clone();
    let sim = Sim::of(settings.config.clone()).record(settings.layers);
    let code = scenario.clone();
    let run = sim.trace(sink).run(move || code.run(report.clone()));
    RunReport::new(scenario, run, slot.take())
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

/// How a trace is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Make the schedule from the trace's seed and strategy, instead of taking it from the
    /// trace.
    pub from_seed: bool,
}

/// What a replay gave.
#[derive(Debug)]
pub struct ReplayReport {
    /// The run.
    pub finished: RunReport,
    /// The first difference from the recorded run.
    pub divergence: Option<Box<Divergence>>,
    /// Things to know: the program has changed since, for example.
    pub warnings: Vec<String>,
}

impl Runner<'_> {
    /// Run again what a trace recorded, by its schedule, and record all layers in a file.
    /// Gives the event hash of the trace and what the run gave.
    ///
    /// # Errors
    /// As [`replay`](Self::replay), or if the file cannot be written.
    pub fn record_again(
        &self,
        trace: &Path,
        path: &Path,
        progress: &Progress,
    ) -> Result<(String, RunReport), ReplayError> {
        let summary = verify(trace)?;
        let scenario = self.scenario_of(&summary.header)?;
        let mut settings = Settings::of_header(&summary.header).map_err(ReplayError::Unfit)?;
        settings.layers = Layers::ALL;
        let header = Header {
            reasons: summary.header.reasons,
            decisive: summary.header.decisive,
            ..settings.header(self.program, scenario)
        };
        let writer = TraceWriter::create(path, &header)?;
        let mut finished = self.execute(scenario, &settings, Some(trace), writer, progress);
        match finished.trace_error.take() {
            Some(error) => Err(error.into()),
            None => Ok((format!("{:016x}", summary.event_hash), finished)),
        }
    }

    fn scenario_of(&self, header: &Header) -> Result<&Scenario, ReplayError> {
        let found = self.program.named(&header.scenario);
        found.map_err(|error| ReplayError::Unfit(error.to_string()))
    }

    /// Run again what a trace recorded and compare every record.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is of a scenario that this program
    /// does not have.
    pub fn replay(
        &self,
        path: &Path,
        how: ReplayOptions,
        progress: &Progress,
    ) -> Result<ReplayReport, ReplayError> {
        // Nothing is run from a damaged file.
        let header = verify(path)?.header;
        let scenario = self.scenario_of(&header)?;
        let settings = Settings::of_header(&header).map_err(ReplayError::Unfit)?;
        if let (true, Strategy::Live | Strategy::Custom(_)) =
            (how.from_seed, &header.config.strategy)
        {
            return Err(ReplayError::Unfit(format!(
                "no strategy of this program chose its steps, but `{}`; replay it from its \
                 schedule, without --from-seed",
                one_line(&header.config.strategy.to_string())
            )));
        }
        let ours = settings.header(self.program, scenario);
        let name = path.display().to_string();
        let comparer = Comparer::new(TraceReader::open(path)?, name, true);
        let schedule_of = (!how.from_seed).then_some(path);
        let mut finished = self.execute(scenario, &settings, schedule_of, comparer, progress);
        let divergence = match finished.trace_error.take() {
            None => None,
            Some(error) => Some(Divergence::from_error(error)?),
        };
        Ok(ReplayReport {
            finished,
            divergence,
            warnings: differences(&header, &ours),
        })
    }
}

/// How this program differs from the one that recorded a trace.
fn differences(header: &Header, ours: &Header) -> Vec<String> {
    let mut warnings = Vec::new();
    if ours.code != header.code {
        warnings.push("the program has changed since the trace was recorded".to_owned());
    }
    let others = header.versions.iter();
    for (name, version) in others.filter(|pair| !ours.versions.contains(pair)) {
        warnings.push(format!("the trace was recorded with {name} {version}"));
    }
    warnings
}
