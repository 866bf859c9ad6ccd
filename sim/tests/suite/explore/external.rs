//! Scenarios that are run outside this program are explored, shrunk and explained as others are.

use std::sync::{Arc, Mutex};

use retake_sim::explore::{
    Case, Execution, Exhaustive, Explorer, External, ExternalRun, RunRequest, Scenario, explain,
    shrink,
};
use retake_sim::strategy::{RecordedHolds, Recorder, scheduler};
use retake_sim::{Outcome, RunConfig, Sim, rng};
use retake_traces::sink::{MemorySink, Sink};

/// One takes what another puts, if it comes first.
pub(super) async fn put_and_take() {
    let place = Arc::new(Mutex::new(None));
    let (put, take) = (Arc::clone(&place), place);
    let first = retake::spawn_named("put", async move {
        *put.lock().unwrap() = Some(1);
    });
    let second = retake::spawn_named("take", async move {
        retake::always!(take.lock().unwrap().take().is_some(), "it is there");
    });
    first.await.unwrap();
    second.await.unwrap();
}

/// Runs it as another program would: with a case as all that it gets.
struct Elsewhere;

impl External for Elsewhere {
    fn run(&self, case: &Case, wanted: &RunRequest, sink: &mut dyn Sink) -> ExternalRun {
        let (records, recorded) = (MemorySink::new(), RecordedHolds::default());
        let mut sim = Sim::of(case.config.clone())
            .record(wanted.layers)
            .trace(records.clone());
        if wanted.holds {
            let own = (case.config.strategy.clone(), case.config.seed);
            let (strategy, seed) = wanted.schedule.clone().unwrap_or(own);
            let seen = recorded.clone();
            sim = sim.scheduler(strategy.to_string(), move |_| {
                let inner = scheduler(&strategy, rng::stream(seed, "schedule"));
                Box::new(Recorder::new(inner, &seen))
            });
        }
        let run = sim.run(put_and_take);
        for record in records.records() {
            sink.record(&record).unwrap();
        }
        let mut external = ExternalRun::new(case, run.outcome);
        (external.run.stats, external.run.event_hash) = (run.stats, run.event_hash);
        external.run.output = external.run.passed().then(String::new);
        external.holds = recorded.holds();
        external
    }
}

fn elsewhere() -> Scenario {
    Scenario::external(Elsewhere)
}

#[test]
fn a_scenario_that_runs_elsewhere_is_searched_as_one_of_this_program() {
    let explorer = Explorer::new("put and take")
        .seeds(0..40)
        .check_determinism(1.0)
        .keep_going(true);
    let (here, there) = (
        explorer.run(put_and_take),
        explorer.jobs(3).run(elsewhere()),
    );
    assert!(there.failures.len() == 1 && there.failures[0].count < 40);
    let json = |campaign| serde_json::to_string(campaign).unwrap();
    assert_eq!(json(&here), json(&there));
    let case = &there.failures[0].case;
    let here = shrink(case, put_and_take, |_| {}).unwrap();
    let there = shrink(case, elsewhere(), |_| {}).unwrap();
    assert_eq!(here.case, there.case);
    assert_eq!(here.to_string(), there.to_string());
    assert_eq!(there.case.holds().len(), 1);
    let why = explain(&there.case, elsewhere()).to_string();
    assert_eq!(why, explain(&here.case, put_and_take).to_string());
    assert!(
        why.contains("passes if `put` begins before `take` begins"),
        "{why}"
    );
}

#[test]
fn what_needs_the_code_of_a_scenario_that_runs_elsewhere_says_so() {
    let all = Exhaustive::new("put and take").run(elsewhere(), |_| {});
    let failure = &all.found.failures[0].case;
    assert!(
        failure.outcome.contains("run outside this program"),
        "{}",
        failure.outcome
    );
    let case = Case::new("put and take", RunConfig::default());
    let trace = std::path::Path::new("no.retake");
    let execution = Execution::of(&case).schedule_of(trace);
    let done = execution.run(&elsewhere(), MemorySink::new(), |_, _| {});
    assert!(done.is_refused);
    assert!(
        matches!(&done.run.outcome, Outcome::Lost { how, .. } if how.contains("of a case")),
        "{}",
        done.run.outcome
    );
    // A case is what it follows.
    let done = Execution::of(&case).run(&elsewhere(), MemorySink::new(), |_, _| {});
    assert!(!done.is_refused);
}
