//! A command with scenarios of one's own, and the cases that it saves.
#![allow(missing_docs)]

#[allow(dead_code, reason = "its main function")]
#[path = "../examples/own.rs"]
mod own;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use own::{program, two_clients};
use retake_cli::run::{Runner, Settings};
use retake_cli::{CheckSavedError, Program, Scenario};
use retake_sim::explore::Case;

/// Run the example; gives exit code, standard output and standard error.
fn counter(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let test = std::env::current_exe().unwrap();
    // `cargo test` builds examples, unless it is asked for this test alone.
    let example = test.ancestors().nth(2).unwrap().join("examples/own");
    let output = Command::new(&example)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", example.display()));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().expect("no signal"),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The cases within a folder of cases.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(folder).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn scenarios_of_ones_own_are_explored_replayed_and_told_as_those_that_come_along() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| counter(folder.path(), arguments);
    let (code, out, _) = run(&["list"]);
    assert_eq!((code, out.lines().count()), (0, 2), "{out}");
    let (code, out, err) = run(&["explore", "counter/written_back", "--seeds", "0..200"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("no update is lost") && out.contains("why:  counter why retake-cases/"),
        "{out}"
    );
    let cases = cases(&folder.path().join("retake-cases"));
    assert_eq!(cases.len(), 1);
    let case = cases[0].to_str().unwrap();
    assert_eq!(run(&["replay", case]).0, 0);
    assert_eq!(run(&["why", case]).0, 0);
    assert_eq!(run(&["debug", case, "--print", "why"]).0, 0);
    assert_eq!(run(&["run", "counter/written_back", "--trace", "a"]).0, 1);
    let (code, out, err) = run(&["replay", "a"]);
    assert!(code == 0 && out.starts_with("identical: "), "{out}{err}");
    let (_, out, _) = run(&["verify", "a"]);
    assert!(out.contains("recorded by  counter "), "{out}");
    assert_eq!(run(&["explore", "counter/added", "--seeds", "0..200"]).0, 0);
    // What is about the system of this repository is not there.
    let (code, _, err) = run(&["bench"]);
    assert!(
        code == 2 && err.contains("unrecognized subcommand 'bench'"),
        "{err}"
    );
    let (_, help, _) = run(&["--help"]);
    assert!(help.contains("explore") && !help.contains("zoo"), "{help}");
    let (code, _, err) = run(&["run", "zoo/raft/buggy"]);
    assert!(code == 2 && err.contains("see `counter list`"), "{err}");
}

#[test]
fn a_saved_case_fails_the_test_until_its_bug_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("retake-cases");
    assert_eq!(program().check_saved(&saved).unwrap(), 0);
    let (code, ..) = counter(
        folder.path(),
        &["explore", "counter/written_back", "--seeds", "0..200"],
    );
    assert_eq!(code, 1);
    let error = program().check_saved(&saved).unwrap_err().to_string();
    let file = cases(&saved).pop().unwrap();
    assert!(error.starts_with(file.to_str().unwrap()), "{error}");
    assert!(
        error.contains("violated: scenario: no update is lost")
            && error.contains("what led to it:"),
        "{error}"
    );
    // The bug is fixed: here, the case is of the program without it.
    let mut case = Case::load(&file).unwrap();
    case.scenario = "counter/added".to_owned();
    case.save(&file).unwrap();
    assert_eq!(program().check_saved(&saved).unwrap(), 1);
    let foreign = Program::new("other", "0").check_saved(&saved).unwrap_err();
    assert!(
        matches!(foreign, CheckSavedError::Unknown { .. }),
        "{foreign}"
    );
    std::fs::write(&file, "{").unwrap();
    let error = program().check_saved(&saved).unwrap_err();
    assert!(matches!(error, CheckSavedError::Case(_)), "{error}");
}

/// Record two clients of a live process; gives how many steps they took.
fn record_live(file: &Path, name: &str) -> u64 {
    let recording = retake_live::start(file, retake_live::Config::new(name)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(retake::record::scenario(two_clients(false)));
    recording.finish().unwrap().steps
}

#[test]
fn a_recording_is_followed_by_the_program_that_has_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let steps = record_live(&folder.path().join("live.retake"), "counter/live");
    let (code, out, err) = counter(folder.path(), &["replay", "live.retake"]);
    let honoured = format!("honoured     {steps} of {steps} steps");
    assert!(code == 0 && out.contains(&honoured), "{out}{err}");
    // One process records at one time, so this is no test of its own.
    record_live(&folder.path().join("other.retake"), "shop");
    let (code, _, err) = counter(folder.path(), &["replay", "other.retake"]);
    assert!(
        code == 2 && err.contains("a recording of `shop`, which `counter` does not follow"),
        "{err}"
    );
}

#[derive(serde::Serialize)]
struct Sales {
    sold: u32,
    left: u32,
}

impl std::fmt::Display for Sales {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sold {} of {}", self.sold, self.sold + self.left)
    }
}

#[test]
fn a_report_keeps_the_order_of_its_fields_also_where_a_check_fails() {
    let rush = Scenario::with_report("shop/rush", "a day of sales", async |report| {
        let sales = Sales { sold: 3, left: 1 };
        report.put(&sales).unwrap();
        assert_eq!(sales.left, 0, "not all are sold");
    });
    let program = Program::new("shop", "0").with_scenarios([rush]);
    let scenario = program.find("shop/rush").unwrap();
    let runner = Runner::here(&program);
    let finished = runner.run(scenario, &Settings::default(), &Default::default());
    assert!(!finished.passed());
    let report = finished.report.unwrap();
    assert_eq!(report.to_string(), "sold 3 of 4");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(json, r#"{"sold":3,"left":1}"#);
}
