//! One run of a case that is recorded and watched, for commands.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use retake_traces::Layers;
use retake_traces::error::TraceError;
use retake_traces::record::Record;
use retake_traces::sink::Sink;

use super::external;
use super::remote::{self, Job, Listener, Place, Position, Recording};
use super::{Case, Scenario};
use retake_engine::outcome::{Outcome, Run};

/// Why a scenario that is run outside this program does not follow a trace.
const FOLLOWS_CASES: &str = "a scenario that is run outside this program follows the ordering constraints of a case, not \
     the schedule of a trace";

/// A run of a case: what is recorded of it, and which schedule it follows.
///
/// It takes place where runs of the scenario do, so in a process of its own if the scenario
/// has workers, and is the same run as that of the case in a campaign. What it prints is
/// passed on or kept as the workers are set up.
#[derive(Clone, Debug)]
#[must_use = "nothing is run until `run` is called"]
pub struct Execution<'a> {
    case: &'a Case,
    record: Recording,
    schedule_of: Option<&'a Path>,
    prints: bool,
}

/// What an [`Execution`] gives.
#[derive(Debug)]
pub struct ExecutionResult {
    /// The run.
    pub run: Run<()>,
    /// What the scenario left in addition to its output, see [`Scenario::reports`].
    pub report: Option<String>,
    /// There was no run: the workers were stopped, or could not start.
    pub is_refused: bool,
}

impl<'a> Execution<'a> {
    /// A run of this case, of which the schedule alone is recorded.
    pub fn of(case: &'a Case) -> Self {
        Self {
            case,
            record: Recording {
                calls: true,
                ..Recording::default()
            },
            schedule_of: None,
            prints: true,
        }
    }

    /// Throw away what the run prints, where it has a process of its own.
    pub fn silent(self) -> Self {
        Self {
            prints: false,
            ..self
        }
    }

    /// Record these layers.
    pub fn record(mut self, layers: Layers) -> Self {
        self.record.layers = layers;
        self
    }

    /// Follow the schedule of this trace to the letter instead of the case's own. The process
    /// of the run reads the file.
    pub fn schedule_of(self, trace: &'a Path) -> Self {
        Self {
            schedule_of: Some(trace),
            ..self
        }
    }

    /// Run it. `sink` takes the records, and `progress` is called now and then with steps and
    /// virtual time so far. A run that the workers' [`cancel`](crate::isolate::Workers::cancel)
    /// ends leaves the sink unfinished. Where the trace that has the schedule cannot be read,
    /// there is no run, and [`Run::trace_error`] says why.
    pub fn run(
        self,
        scenario: &Scenario,
        sink: impl Sink + Send + 'static,
        mut progress: impl FnMut(u64, Duration) + Send + 'static,
    ) -> ExecutionResult {
        let place = Place {
            prints: self.prints,
            ..Place::fresh()
        };
        if let Some(runner) = scenario.runner() {
            let run = match self.schedule_of {
                Some(_) => remote::no_run(self.case, refusal(FOLLOWS_CASES)),
                None => external::run(runner, self.case, &place, self.record, sink).run,
            };
            return ExecutionResult {
                run: run.without_output(),
                report: None,
                is_refused: self.schedule_of.is_some(),
            };
        }
        let ran = match scenario.workers() {
            Some(workers) => {
                let job = Job {
                    schedule_of: self.schedule_of,
                    ..Job::new(self.case, &place, self.record)
                };
                let mut reach = |steps, now_ns| progress(steps, Duration::from_nanos(now_ns));
                remote::run(workers, &job, sink, Listener::Progress(&mut reach))
            }
            None => {
                let schedule = self.schedule_of.map(remote::read_schedule);
                let schedule = match schedule.transpose() {
                    Ok(schedule) => schedule,
                    Err(error) => return ExecutionResult::refused(self.case, error),
                };
                let (sim, recorded) = self.case.prepared(self.record, schedule);
                let sink = CountingSink {
                    sink,
                    position: Position::default(),
                    progress,
                };
                let code = Arc::clone(scenario.code());
                let run = sim.trace(sink).run(move || code());
                remote::Ran {
                    report: scenario.take_report(),
                    ..remote::Ran::here(run, recorded.holds())
                }
            }
        };
        ExecutionResult {
            run: ran.run.without_output(),
            report: ran.report,
            is_refused: ran.is_refused,
        }
    }
}

/// The outcome of what was not run.
fn refusal(why: &str) -> Outcome {
    Outcome::Lost {
        how: why.to_owned(),
        hangs: false,
    }
}

impl ExecutionResult {
    fn refused(case: &Case, error: TraceError) -> Self {
        let mut run = remote::no_run(case, refusal(&error.to_string()));
        run.trace_error = Some(error);
        Self {
            run: run.without_output(),
            report: None,
            is_refused: true,
        }
    }
}

/// Passes records on and counts them.
struct CountingSink<S, P> {
    sink: S,
    position: Position,
    progress: P,
}

impl<S: Sink, P: FnMut(u64, Duration)> Sink for CountingSink<S, P> {
    fn record(&mut self, record: &Record) -> Result<(), TraceError> {
        if self.position.add(record) {
            let Position { steps, now_ns } = self.position;
            (self.progress)(steps, Duration::from_nanos(now_ns));
        }
        self.sink.record(record)
    }

    fn event_hash(&self) -> u64 {
        self.sink.event_hash()
    }

    fn keeps_records(&self) -> bool {
        self.sink.keeps_records()
    }

    fn finish(&mut self) -> Result<(), TraceError> {
        self.sink.finish()
    }
}
