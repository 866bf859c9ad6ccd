//! How a case failed: its kind, and its signature, by which failures are grouped.

use serde::{Deserialize, Serialize};

use retake_engine::outcome::Outcome;
use retake_traces::label;

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A task panicked.
    Panicked,
    /// A check failed.
    Violated,
    /// Nothing could run, and nothing waited for time.
    Deadlock,
    /// Tasks took turns without progress of virtual time.
    Livelock,
    /// Virtual time reached the horizon.
    Horizon,
    /// The run took too many steps.
    StepLimit,
    /// Code ran where the scheduler has no hold of it.
    Escaped,
    /// The process of the run ended.
    Lost,
    /// The run did not end in time.
    Hangs,
    /// The run could not follow its schedule.
    Diverged,
    /// Two runs of the seed differ.
    NotDeterministic,
    /// The run depends on what its process has run before.
    DependsOnHistory,
}

impl FailureKind {
    /// The kind of failure that an outcome is; none if the run passed.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Passed => return None,
            Outcome::Panicked { .. } => Self::Panicked,
            Outcome::Violated { .. } => Self::Violated,
            Outcome::Deadlock { .. } => Self::Deadlock,
            Outcome::Livelock { .. } => Self::Livelock,
            Outcome::Horizon { .. } => Self::Horizon,
            Outcome::StepLimit { .. } => Self::StepLimit,
            Outcome::Escaped { .. } => Self::Escaped,
            Outcome::Lost { hangs: false, .. } => Self::Lost,
            Outcome::Lost { hangs: true, .. } => Self::Hangs,
            Outcome::Diverged { .. } => Self::Diverged,
        })
    }
}

/// What failed, without what differs from run to run: numbers become `#`, lists and quoted
/// words `[…]` and `"…"`, and who waits where is left out.
#[must_use]
pub fn signature(outcome: &Outcome) -> String {
    let base = |label: &str| label::parts(label).0.to_owned();
    let what = match outcome {
        Outcome::Passed => return outcome.name().to_owned(),
        Outcome::Panicked { task, message, .. } => format!("{}: {message}", base(task)),
        Outcome::Violated {
            task, what, check, ..
        } => {
            let check = super::shape::of_format(check);
            format!("{}: {}", base(task), check.as_ref().unwrap_or(what))
        }
        Outcome::Deadlock { waiting, cycle } => {
            let who = if cycle.is_empty() {
                waiting.iter().map(|wait| base(&wait.task)).collect()
            } else {
                cycle.clone()
            };
            let mut who: Vec<String> = who.iter().map(|label| base(label)).collect();
            who.sort_unstable();
            who.dedup();
            who.join(", ")
        }
        Outcome::Escaped { what, .. } => what.clone(),
        Outcome::Lost { how, .. } => how.clone(),
        Outcome::Livelock { busy, .. } => {
            // One with a small share only comes by now and then.
            let busy = busy.iter().filter(|(_, share)| *share >= 10);
            let mut who: Vec<String> = busy.map(|(task, _)| base(task)).collect();
            who.sort_unstable();
            who.dedup();
            who.join(", ")
        }
        Outcome::Horizon { .. } | Outcome::StepLimit { .. } | Outcome::Diverged { .. } => {
            String::new()
        }
    };
    let text = format!("{}: {what}", outcome.name());
    let line = text.lines().next().unwrap_or_default();
    let signature = super::shape::shape(line);
    let signature = signature.trim_end_matches([':', ' ']);
    match outcome {
        // Two places that panic with one message are two failures. A column tells less of
        // them, and changes by formatting.
        Outcome::Panicked {
            place: Some(place), ..
        } => format!("{signature} ({}:{})", place.file, place.line),
        _ => signature.to_owned(),
    }
}
