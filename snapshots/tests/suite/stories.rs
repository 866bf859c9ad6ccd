//! What a person reads of a run: its summary, its story, a recovery.

use retake_cli::run::{Progress, RunReport, Runner, Settings};
use retake_snapshots::{program, scenario, story, text};
use retake_traces::event::Occurrence;

fn finished() -> RunReport {
    let (runner, settings) = (Runner::here(program()), Settings::of_seed(42));
    let scenario = scenario("recovery/worker_crash");
    runner.run(scenario, &settings, &Progress::default())
}

#[test]
fn summary_of_a_run_with_crashes() {
    let finished = finished();
    assert!(finished.passed(), "{:?}", finished.outcome);
    insta::assert_json_snapshot!(finished);
}

#[test]
fn text_of_a_report() {
    insta::assert_snapshot!(finished().report.expect("a report"));
}

#[test]
fn story_of_one_action() {
    insta::assert_snapshot!(text(&story("recovery/one_action", 42)));
}

/// From the first kill of a busy worker to the tenant being stable again.
#[test]
fn recovery_of_a_killed_worker() {
    let lines = story("recovery/worker_crash", 42);
    let is_error =
        |it: &Occurrence| matches!(it, Occurrence::Event(event) if event.text.contains(": error"));
    let mut whats = lines.iter().map(|line| &line.occurrence);
    let end = whats.position(is_error).expect("an action that failed");
    let mut whats = lines[..end].iter().map(|line| &line.occurrence);
    let start = whats.rposition(|it| matches!(it, Occurrence::Fault(_)));
    let start = start.expect("a fault");
    insta::assert_snapshot!(text(&lines[start - 5..end + 12]));
}
