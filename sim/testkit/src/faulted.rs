//! Scenarios under faults: what is recorded of them, whether they replay, what shrinking keeps.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;

use retake_inspect::compare;
use retake_inspect::story::lines;
use retake_sim::explore::{Explorer, Scenario, shrink};
use retake_sim::plan::FaultPlan;
use retake_sim::{Fault, Run, Sim, Strategy};
use retake_traces::Schedule;
use retake_traces::event::Occurrence;
use retake_traces::record::Record;

use crate::recorded;

pub fn faults(texts: &[&str]) -> Vec<Fault> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub fn run<F, Fut>(seed: u64, faults: Vec<Fault>, scenario: F) -> (Run<Fut::Output>, Vec<Record>)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    run_by(&Strategy::default(), seed, faults, scenario)
}

pub fn run_by<F, Fut>(
    strategy: &Strategy,
    seed: u64,
    faults: Vec<Fault>,
    scenario: F,
) -> (Run<Fut::Output>, Vec<Record>)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let sim = Sim::new().seed(seed).strategy(strategy.clone());
    let sim = sim.story(true).causality(true).faults(faults);
    let (run, sink) = recorded(sim, scenario);
    (run, sink.records())
}

/// Which faults were injected, and into what.
pub fn injected(records: &[Record]) -> Vec<String> {
    lines(records)
        .iter()
        .filter(|line| matches!(line.occurrence, Occurrence::Fault(_)))
        .map(|line| format!("{} {}", line.who, line.what()).trim().to_owned())
        .collect()
}

/// In how many lines of the story this is.
pub fn said(records: &[Record], what: &str) -> usize {
    let lines = lines(records);
    lines
        .iter()
        .filter(|line| line.what().contains(what))
        .count()
}

/// The two sides of `left => right`.
#[track_caller]
pub fn sides(row: &str) -> (&str, &str) {
    row.split_once(" => ").expect("it has two sides")
}

/// Each of these faults is not injected, for the reason given behind ` => `, and leaves the run
/// as it was.
pub fn each_is_reported_and_changes_nothing<F, Fut>(rows: &[&str], scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let (plain, before) = run(3, Vec::new(), scenario.clone());
    for (fault, why) in rows.iter().map(|row| sides(row)) {
        let (faulty, after) = run(3, faults(&[fault]), scenario.clone());
        assert_eq!(
            faulty.warnings,
            [format!("fault `{fault}` was not injected: {why}")]
        );
        let divergence = compare(("plain", "faulty"), &before, &after);
        assert!(divergence.is_none(), "{fault}");
        assert_eq!(plain.event_hash, faulty.event_hash);
    }
}

/// A run with these faults is replayed by its schedule, and made again by its seed, to the
/// last record.
pub fn is_replayed<F, Fut>(seed: u64, texts: &[&str], scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: PartialEq + std::fmt::Debug + Send + 'static,
{
    is_replayed_by(&Strategy::default(), seed, texts, scenario);
}

/// The same of a run by this strategy.
pub fn is_replayed_by<F, Fut>(strategy: &Strategy, seed: u64, texts: &[&str], scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: PartialEq + std::fmt::Debug + Send + 'static,
{
    let (first, recorded) = run_by(strategy, seed, faults(texts), scenario.clone());
    let schedule = Schedule::read(recorded.iter().cloned().map(Ok)).unwrap();
    let replay = Strategy::Replay(Arc::new(schedule));
    for strategy in [&replay, strategy] {
        let (again, records) = run_by(strategy, seed, faults(texts), scenario.clone());
        let divergence = compare(("first", "again"), &recorded, &records);
        assert!(divergence.is_none(), "{texts:?}");
        assert_eq!(first.event_hash, again.event_hash, "{texts:?}");
        assert_eq!(first.output, again.output, "{texts:?}");
    }
}

/// Each of these faults is recorded once, changes the run, and is replayed.
pub fn each_changes_the_run_and_is_replayed<F, Fut>(kinds: &[&str], scenario: F)
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: PartialEq + std::fmt::Debug + Send + 'static,
{
    let (_, plain) = run(3, Vec::new(), scenario.clone());
    for text in kinds {
        let (_, recorded) = run(3, faults(&[text]), scenario.clone());
        assert_eq!(injected(&recorded).len(), 1, "{text}");
        let divergence = compare(("plain", "faulty"), &plain, &recorded);
        assert!(divergence.is_some(), "{text}");
        is_replayed(3, &[text], scenario.clone());
    }
}

/// The only fault that is left when a failure under these faults is made small. It still fails.
pub fn kept<F, Fut>(seeds: Range<u64>, texts: &[&str], scenario: F) -> String
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let plan = FaultPlan {
        faults: faults(texts),
        ..FaultPlan::default()
    };
    let explorer = Explorer::new("faulted").seeds(seeds).faults(plan);
    let campaign = explorer.run(scenario.clone());
    let case = &campaign.failures[0].case;
    let shrunk = shrink(case, scenario.clone(), |_| {}).expect("it fails");
    let kept = &shrunk.case.config.faults;
    let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
    assert!(!shrunk.case.run(&Scenario::from(scenario)).passed());
    let [kept] = <[String; 1]>::try_from(kept).expect("one fault is left");
    kept
}
