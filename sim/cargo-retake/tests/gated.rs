//! Faults of actors with gates, in a program that is run as a whole.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

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
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = here.join("../..").canonicalize().unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gated");
    for inner in ["src", "tests"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    let repository = repository.display().to_string();
    let manifest = MANIFEST.replace("REPOSITORY", &repository);
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(
        format!("{repository}/Cargo.lock"),
        folder.join("Cargo.lock"),
    )
    .unwrap();
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    fs::copy(
        here.join("tests/gated/actors.rs"),
        folder.join("tests/actors.rs"),
    )
    .unwrap();
    let locked = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--format-version", "1"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(locked.status.success(), "{locked:?}");
    folder
}

/// What the test is found to be with these faults: the first line of its outcome, or its verdict.
fn with(folder: &Path, test: &str, faults: &[&str]) -> String {
    let _ = fs::remove_dir_all(folder.join("retake-cases"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-retake"));
    command.current_dir(folder).args(["retake", "test"]);
    command.args("--test actors --seeds 2 --offline --json report".split(' '));
    command.arg(test);
    for fault in faults {
        command.args(["--fault", fault]);
    }
    for name in ["CARGO_TARGET_DIR", "RUST_BACKTRACE", "RUST_TEST_THREADS"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let report = fs::read(folder.join("report")).unwrap_or_default();
    let report: Value = serde_json::from_slice(&report).unwrap_or_default();
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
