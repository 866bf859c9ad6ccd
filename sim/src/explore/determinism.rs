//! Whether a run is a function of its seed: run it again where things differ, and compare.

use retake_traces::{HashSink, Watch, counted};

use super::Scenario;
use super::case::Case;
use super::failure::FailureKind;
use super::remote::{Place, Recording};
use crate::isolate::Where;
use retake_engine::outcome::{Outcome, Run};

/// Times that a seed is run again alone, to tell what its difference comes from.
const REPEATS: usize = 2;

/// What a second run of a seed shows.
#[derive(Debug)]
pub(super) enum Finding {
    /// A failure.
    Failure(Box<Case>),
    /// Alone, in a process of its own, the run is always the same. After others in one process
    /// it is not: it parts here.
    History(String),
}

/// How two runs differ, in words.
fn difference(one: &Run<String>, other: &Run<String>) -> Option<String> {
    if one.event_hash != other.event_hash {
        Some(format!(
            "have the event hashes {:016x} and {:016x}, after {} and {}",
            one.event_hash,
            other.event_hash,
            one.stats.steps,
            counted(other.stats.steps, "step")
        ))
    } else if one.outcome != other.outcome {
        Some(format!(
            "end differently: {}, and {}",
            one.outcome, other.outcome
        ))
    } else if one.output != other.output {
        let text = |run: &Run<String>| run.output.clone().unwrap_or_else(|| "nothing".to_owned());
        Some(format!("return {} and {}", text(one), text(other)))
    } else {
        None
    }
}

fn is_lost(run: &Run<String>) -> bool {
    matches!(run.outcome, Outcome::Lost { .. })
}

/// Run a case again that has given `first`: after others, in a process with another
/// environment.
pub(super) fn check(
    case: &Case,
    first: &Run<String>,
    mut others: Vec<Case>,
    scenario: &Scenario,
) -> Option<Finding> {
    if is_lost(first) {
        return None;
    }
    if scenario.workers().is_none() {
        // This process has run others already.
        others.clear();
    }
    let mut counted = case.clone();
    counted.config.watch.get_or_insert(Watch::Conservation);
    let in_place = |before: &[Case]| {
        let place = Place {
            process: Where::Elsewhere,
            before: before.to_vec(),
            prints: false,
        };
        (
            counted
                .run_in(scenario, &place, Recording::default(), HashSink::new())
                .run,
            place,
        )
    };
    let (again, used) = loop {
        let (again, used) = in_place(&others);
        // One of the others may have ended the process.
        if others.is_empty() || !is_lost(&again) {
            break (again, used);
        }
        others.clear();
    };
    let is_count = matches!(again.outcome, Outcome::Violated { is_count: true, .. });
    if is_count && first.passed() {
        counted.note(&again);
        return Some(Finding::Failure(Box::new(counted)));
    }
    let difference = difference(first, &again).filter(|_| !is_count)?;
    if scenario.workers().is_none() {
        let divergence = noted(case, first).where_two_runs_part(scenario);
        return Some(not_deterministic(case, first, &difference, divergence));
    }
    tell_why(case, first, &difference, used, scenario)
}

/// What a difference between a run and one in another kind of process comes from.
fn tell_why(
    case: &Case,
    first: &Run<String>,
    difference: &str,
    used: Place,
    scenario: &Scenario,
) -> Option<Finding> {
    let elsewhere = Place {
        before: Vec::new(),
        ..used.clone()
    };
    let run = |place: &Place| {
        let record = Recording::default();
        case.run_in(scenario, place, record, HashSink::new()).run
    };
    let noted = noted(case, first);
    for _ in 0..REPEATS {
        if let Some(difference) = self::difference(first, &run(&Place::fresh())) {
            let divergence = noted.where_two_runs_part(scenario);
            return Some(not_deterministic(case, first, &difference, divergence));
        }
    }
    for _ in 0..REPEATS {
        if let Some(difference) = self::difference(first, &run(&elsewhere)) {
            let names = ("one process", "another process");
            let places = [Place::fresh(), elsewhere];
            let divergence = noted.where_runs_part(scenario, names, &places);
            let difference =
                format!("{difference} in processes with other addresses, or another environment");
            return Some(not_deterministic(case, first, &difference, divergence));
        }
    }
    let divergence = noted.where_runs_part(
        scenario,
        ("alone", "after other runs"),
        &[Place::fresh(), used],
    );
    let text = format!("a run alone and one after others in its process {difference}");
    let text = with_divergence(text, divergence);
    Some(if scenario.is_shared() {
        depends_on_history(case, first, &text)
    } else {
        Finding::History(text)
    })
}

/// A failure in a process that has run others before: run it alone. Nothing if it fails alone
/// as well, in the same way.
pub(super) fn repeat_alone(
    case: &Case,
    shared: &Run<String>,
    history: Vec<Case>,
    scenario: &Scenario,
) -> Option<Finding> {
    let record = Recording::default();
    let alone = case
        .run_in(scenario, &Place::fresh(), record, HashSink::new())
        .run;
    let difference = difference(&alone, shared)?;
    if is_lost(shared) && is_lost(&alone) {
        return None;
    }
    let count = history.len();
    let after = Place {
        before: history,
        ..Place::fresh()
    };
    let divergence = noted(case, &alone).where_runs_part(
        scenario,
        ("alone", "after other runs"),
        &[Place::fresh(), after],
    );
    let text = with_divergence(
        format!(
            "after {count} others in its process the run ends with `{}`, alone with `{}`: they \
             {difference}",
            shared.outcome, alone.outcome
        ),
        divergence,
    );
    Some(depends_on_history(case, &alone, &text))
}

fn noted(case: &Case, run: &Run<String>) -> Case {
    let mut case = case.clone();
    case.note(run);
    case
}

fn with_divergence(text: String, divergence: Option<String>) -> String {
    match divergence {
        Some(divergence) => format!("{text}\n{divergence}"),
        None => text,
    }
}

fn not_deterministic(
    case: &Case,
    run: &Run<String>,
    difference: &str,
    divergence: Option<String>,
) -> Finding {
    let text = format!("two runs of the seed {difference}");
    failure(
        case,
        run,
        FailureKind::NotDeterministic,
        &with_divergence(text, divergence),
    )
}

fn depends_on_history(case: &Case, run: &Run<String>, text: &str) -> Finding {
    failure(case, run, FailureKind::DependsOnHistory, text)
}

fn failure(case: &Case, run: &Run<String>, kind: FailureKind, text: &str) -> Finding {
    let mut case = noted(case, run);
    case.failure = Some(kind);
    case.signature = kind.words().to_owned();
    case.outcome = format!("{}: {text}", kind.words());
    Finding::Failure(Box::new(case))
}
