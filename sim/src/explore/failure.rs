//! How a case failed: its kind, and its signature, by which failures are grouped.

use serde::{Deserialize, Serialize};

use retake_engine::outcome::{Outcome, OutcomeKind};
use retake_traces::label;

/// The kind of a failure. Files have it as its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum FailureKind {
    /// The run ended so, and did not pass.
    Ended(OutcomeKind),
    /// The run did not end in time, and so its process was ended.
    Hangs,
    /// Two runs of the seed differ.
    NotDeterministic,
    /// The run depends on what its process has run before.
    DependsOnHistory,
}

impl FailureKind {
    /// Those that are no outcome of one run.
    const OTHERS: [Self; 3] = [Self::Hangs, Self::NotDeterministic, Self::DependsOnHistory];

    /// The kind of failure that an outcome is; none if the run passed.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Passed => None,
            Outcome::Lost { hangs: true, .. } => Some(Self::Hangs),
            _ => Some(Self::Ended(outcome.kind())),
        }
    }

    /// The words for it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Ended(kind) => kind.word(),
            Self::Hangs => "hangs",
            Self::NotDeterministic => "not deterministic",
            Self::DependsOnHistory => "depends on earlier runs",
        }
    }
}

impl From<FailureKind> for String {
    fn from(kind: FailureKind) -> Self {
        kind.words().to_owned()
    }
}

impl TryFrom<String> for FailureKind {
    type Error = String;

    fn try_from(words: String) -> Result<Self, String> {
        let fails =
            |kind: &OutcomeKind| ![OutcomeKind::Passed, OutcomeKind::Recorded].contains(kind);
        let other = || Self::OTHERS.into_iter().find(|it| it.words() == words);
        let ended = OutcomeKind::of_word(&words).filter(fails).map(Self::Ended);
        ended
            .or_else(other)
            .ok_or_else(|| format!("there is no failure {words:?}"))
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
