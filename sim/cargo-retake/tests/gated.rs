//! Faults of actors with gates, in a program that is run as a whole.
#![cfg(target_os = "linux")]

mod package;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const MANIFEST: &str = r#"
[workspace]

[package]
name = "gated"
version = "0.1.0"
edition = "2024"
publish = false

[profile.dev]
debug = false

[dependencies]
ractor = "0.16"
retake = { path = "REPOSITORY/sim/retake" }
tokio = { version = "1.52", default-features = false, features = ["macros", "rt", "sync", "time"] }
"#;

/// One test at a time has the package.
static ALONE: Mutex<()> = Mutex::new(());

fn package() -> PathBuf {
    let test = package::repository().join("sim/cargo-retake/tests/gated/actors.rs");
    package::make("gated", MANIFEST, "", &test)
}

/// What the test is found to be with these faults: the first line of its outcome, or its verdict.
fn with(folder: &Path, test: &str, faults: &[&str]) -> String {
    let mut arguments = vec!["--test", "actors", "--seeds", "2", test];
    for fault in faults {
        arguments.extend(["--fault", fault]);
    }
    let (output, report) = package::report(folder, &arguments);
    let test = &report["tests"][0];
    let outcome = test["failures"][0]["case"]["outcome"].as_str();
    match (test["verdict"].as_str(), outcome) {
        (Some("failed"), Some(outcome)) => {
            assert_eq!(test["failures"][0]["under_faults_only"], true, "{test}");
            outcome.to_owned()
        }
        (Some(verdict), _) => verdict.to_owned(),
        _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
#[ignore = "it builds a project with ractor and gates, for a minute"]
fn actors_with_gates_are_ended_as_their_supervisors_expect_and_their_callbacks_go_wrong() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = package();
    let with = |faults: &[&str]| with(&folder, "three_numbers_are_counted", faults);
    assert_eq!(with(&[]), "passed");
    for (fault, expected) in [
        ("kill worker @1500ms", "no sum; ended: Some(\\\"killed\\\")"),
        ("stop worker @1500ms", "no sum; ended: None"),
        ("drain worker @1500ms", "no sum; ended: "),
        ("panic worker @1500ms", "no sum; failed: injected panic"),
        ("fail worker @1500ms", "no sum; failed: injected failure"),
        ("panic worker in pre_start @step 1", "not started: "),
        ("lose worker @1500ms", "\"4; \""),
        ("duplicate worker @1500ms", "\"8; \""),
        ("point worker: counts double @1500ms", "\"8; \""),
        ("break adder unavailable @1500ms until 2500ms", "\"4; \""),
    ] {
        let outcome = with(&[fault]);
        assert!(outcome.contains(expected), "{fault}: {outcome}");
    }
}

#[test]
#[ignore = "it builds a project with ractor and gates, for a minute"]
fn what_waits_for_the_end_of_faults_waits_for_the_heal() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = package();
    let test = "what_waits_for_the_end_of_faults";
    assert_eq!(with(&folder, test, &["clock +5s @1ms"]), "passed");
    let outcome = with(&folder, test, &["clock +5s @1ms", "heal @3500ms"]);
    assert!(outcome.contains("left: 3\n"), "{outcome}");
}

#[test]
#[ignore = "it builds a project with ractor and gates, for a minute"]
fn a_task_has_the_name_that_it_was_spawned_with() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = package();
    let test = "a_task_with_a_name_ends";
    assert_eq!(with(&folder, test, &[]), "passed");
    let outcome = with(&folder, test, &["kill client @1500ms"]);
    assert!(
        outcome.contains("(Err(JoinError::Cancelled(Id("),
        "{outcome}"
    );
    let without_a_name = with(&folder, test, &["kill task @1500ms"]);
    assert_eq!(without_a_name, "passed");
}
