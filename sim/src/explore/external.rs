//! Scenarios that are no code of this program: whatever runs a case, a test binary of another
//! project for example, and says how it went.

use retake_traces::Layers;
use retake_traces::sink::Sink;

use super::Case;
use super::remote::{self, Place, Ran, Recording};
use retake_engine::outcome::{Outcome, Run};
use retake_engine::strategy::{Hold, Strategy};

/// Runs cases outside this program.
///
/// Two runs of one case must be the same: campaigns, shrinking and explanations rest on that,
/// and a campaign reports where it does not hold. Several runs may be asked for at one time.
pub trait External: Send + Sync {
    /// Run this case. `sink` takes its records; who calls finishes it.
    fn run(&self, case: &Case, wanted: &RunRequest, sink: &mut dyn Sink) -> ExternalRun;
}

/// What is wanted of a run.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// What is recorded in addition to the schedule, for a sink that keeps records.
    pub layers: Layers,
    /// The calls that lead to a panic, if `RUST_BACKTRACE` asks for them.
    pub calls: bool,
    /// Its schedule as ordering constraints.
    pub holds: bool,
    /// With these, the schedule of this strategy and seed instead of the case's own. All else
    /// derives from the case's own seed.
    pub schedule: Option<(Strategy, u64)>,
    /// What it prints.
    pub prints: bool,
}

/// What a run outside this program gives.
#[derive(Debug)]
pub struct ExternalRun {
    /// How it went.
    pub run: Run<String>,
    /// Ordering constraints that make the same schedule, if they were wanted.
    pub holds: Vec<Hold>,
    /// What it printed, if that was wanted.
    pub printed: String,
}

impl ExternalRun {
    /// A run of this case that ended so, in no step and at the beginning of virtual time.
    #[must_use]
    pub fn new(case: &Case, outcome: Outcome) -> Self {
        Self {
            run: remote::no_run(case, outcome),
            holds: Vec::new(),
            printed: String::new(),
        }
    }
}

/// Run a case by `external`. It has a process of its own for each run, if it has processes:
/// nothing is run before it in the same one.
pub(super) fn run(
    external: &dyn External,
    case: &Case,
    place: &Place,
    record: Recording,
    mut sink: impl Sink,
) -> Ran {
    let wanted = RunRequest {
        layers: record.layers,
        calls: record.calls,
        holds: record.holds,
        schedule: record.schedule,
        prints: place.prints,
    };
    let ExternalRun {
        mut run,
        holds,
        printed,
    } = external.run(case, &wanted, &mut sink);
    run.trace_error = run.trace_error.take().or_else(|| sink.finish().err());
    Ran {
        printed,
        ..Ran::here(run, holds)
    }
}
