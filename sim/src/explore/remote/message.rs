//! Requests to worker processes and their answers, as JSON.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::super::Case;
use super::super::walk::Walk;
use super::Recording;
use retake_engine::outcome::{Coverage, Messages, Outcome, Run, Stats};
use retake_engine::strategy::Hold;
use retake_traces::fault::Fault;

/// What comes before the answer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sends {
    /// Nothing.
    Nothing,
    /// All records.
    Records,
    /// Now and then how far the run is.
    Progress,
    /// The choices of a search, each when it is made.
    Choices,
}

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request<'a> {
    pub(super) case: Cow<'a, Case>,
    pub(super) before: Cow<'a, [Case]>,
    pub(super) record: Recording,
    pub(super) sends: Sends,
    /// The schedule of this trace instead of the case's own.
    pub(super) schedule_of: Option<PathBuf>,
    /// This path of an exhaustive search instead of the case's own schedule.
    pub(super) walk: Option<Cow<'a, Walk>>,
    /// Repeat a run that has ended in a deadlock, to see more of who waits for whom.
    pub(super) probes_reversed: bool,
}

/// How a run went.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    seed: u64,
    strategy: String,
    outcome: Outcome,
    /// The text of the check that is violated, which an outcome leaves out as JSON.
    check: String,
    output: Option<String>,
    stats: Stats,
    event_hash: u64,
    goals: BTreeMap<String, bool>,
    coverage: Coverage,
    messages: Option<Messages>,
    warnings: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_injected: Vec<Fault>,
    #[serde(default)]
    backtrace: Vec<String>,
    pub(super) holds: Vec<Hold>,
    /// What the scenario leaves in addition to its output, see [`super::Scenario::reports`].
    pub(super) report: Option<String>,
    /// A hash over what each task has done, of a walk.
    pub(super) interleaving: u64,
    /// Its timeline, if that was wanted.
    pub(super) timeline: Option<u64>,
    /// The run ended in a deadlock, and its repetition may show more.
    pub(super) is_unresolved: bool,
}

impl Answer {
    pub(super) fn new(run: Run<String>, holds: Vec<Hold>) -> Self {
        let goals = run.goals.into_iter();
        Self {
            seed: run.seed,
            strategy: run.strategy,
            check: match &run.outcome {
                Outcome::Violated { check, .. } => check.clone(),
                _ => String::new(),
            },
            outcome: run.outcome,
            output: run.output,
            stats: run.stats,
            event_hash: run.event_hash,
            goals: goals
                .map(|(goal, reached)| (goal.to_owned(), reached))
                .collect(),
            coverage: run.coverage,
            messages: run.messages,
            warnings: run.warnings,
            not_injected: run.not_injected,
            backtrace: run.backtrace,
            holds,
            report: None,
            interleaving: 0,
            timeline: None,
            is_unresolved: false,
        }
    }

    pub(super) fn into_run(self) -> Run<String> {
        let goals = self.goals.into_iter();
        let mut outcome = self.outcome;
        if let Outcome::Violated { check, .. } = &mut outcome {
            *check = self.check;
        }
        Run {
            seed: self.seed,
            strategy: self.strategy,
            outcome,
            output: self.output,
            stats: self.stats,
            event_hash: self.event_hash,
            goals: goals
                .map(|(goal, reached)| (name_of_goal(goal), reached))
                .collect(),
            coverage: self.coverage,
            messages: self.messages,
            warnings: self.warnings,
            not_injected: self.not_injected,
            backtrace: self.backtrace,
            trace_error: None,
        }
    }
}

/// The name of a goal, which user code has as a literal. Another process sends its letters;
/// each name is kept once, and a program has not many.
fn name_of_goal(name: String) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(&*name) {
        return known;
    }
    let name: &'static str = name.leak();
    names.insert(name);
    name
}
