//! A command with scenarios of one's own, and the cases that it saves.
#![allow(missing_docs)]

#[allow(dead_code, reason = "its main function")]
#[path = "../examples/own.rs"]
mod own;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use own::program;
use retake_cli::{CheckSavedError, Program};
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
