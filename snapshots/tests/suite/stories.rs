//! What a person reads of a run: its summary, its story, a recovery.

use retake_cli::run::{Progress, Runner, Settings};
use retake_snapshots::{program, scenario, story, text};
use retake_traces::event::Occurrence;

#[test]
fn summary_of_a_run_with_crashes() {
    let settings = Settings::of_seed(42);
    let finished = Runner::here(program()).run(
        scenario("recovery/worker_crash"),
        &settings,
        &Progress::default(),
    );
    assert!(finished.passed(), "{:?}", finished.outcome);
    insta::assert_json_snapshot!(finished);
}

#[test]
fn text_of_a_report() {
    let settings = Settings::of_seed(42);
    let finished = Runner::here(program()).run(
        scenario("recovery/worker_crash"),
        &settings,
        &Progress::default(),
    );
    insta::assert_snapshot!(finished.report.expect("a report"));
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
    let end = lines
        .iter()
        .position(|line| is_error(&line.occurrence))
        .expect("an action that failed");
    let start = lines[..end]
        .iter()
        .rposition(|line| matches!(line.occurrence, Occurrence::Fault(_)))
        .expect("a fault");
    insta::assert_snapshot!(text(&lines[start - 5..end + 12]));
}
