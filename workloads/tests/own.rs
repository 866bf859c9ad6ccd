//! A command with scenarios of one's own, and the cases that it saves.
#![allow(missing_docs)]

mod command;
#[allow(dead_code, reason = "its main function")]
#[path = "../examples/own_command.rs"]
mod own_command;

use std::path::{Path, PathBuf};
use std::process::Command;

use command::told;
use own_command::program;
use retake_sim::explore::Case;
use retake_workloads::cli::CheckSavedError;

/// Run the example; gives exit code, standard output and standard error.
fn counter(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let retake = Path::new(env!("CARGO_BIN_EXE_retake"));
    // `cargo test` builds examples, unless it is asked for this test alone.
    let example = retake.parent().unwrap().join("examples/own_command");
    let mut command = Command::new(example);
    told(
        command
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap(),
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
    let foreign = retake_workloads::program().check_saved(&saved).unwrap_err();
    assert!(
        matches!(foreign, CheckSavedError::Unknown { .. }),
        "{foreign}"
    );
    std::fs::write(&file, "{").unwrap();
    let error = program().check_saved(&saved).unwrap_err();
    assert!(matches!(error, CheckSavedError::Case(_)), "{error}");
}

/// Cases as they have to pass: the programs of the zoo without the bugs that they have on
/// purpose, and no canaries, which fail for ever.
fn mended(saved: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = if saved.exists() {
        cases(saved)
    } else {
        Vec::new()
    };
    for (number, file) in files.iter().enumerate() {
        let mut case = Case::load(file).unwrap();
        if case.scenario.starts_with("canary/") {
            continue;
        }
        if let Some(program) = case.scenario.strip_suffix("/buggy") {
            case.scenario = format!("{program}/fixed");
        }
        case.save(&folder.path().join(format!("{number}.json")))
            .unwrap();
    }
    folder
}

#[test]
fn what_retake_explore_has_found_in_this_repository_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let found = command::retake(
        folder.path(),
        &["explore", "zoo/raft/buggy", "--seeds", "0..200"],
    );
    assert_eq!(found.status.code(), Some(1));
    let saved = folder.path().join("retake-cases");
    let error = retake_workloads::program().check_saved(&saved).unwrap_err();
    assert!(matches!(error, CheckSavedError::Failed(_)), "{error}");
    assert_eq!(
        retake_workloads::program()
            .check_saved(mended(&saved).path())
            .unwrap(),
        1
    );
    // And what a developer has found here.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../retake-cases");
    retake_workloads::program()
        .check_saved(mended(&root).path())
        .unwrap();
}

#[test]
fn a_socket_of_the_system_in_a_simulation_says_what_to_use_instead() {
    let run = retake_sim::Sim::new().run(|| async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        assert!(listener.is_ok());
    });
    let outcome = run.outcome.to_string();
    assert!(
        outcome.contains("use those of `retake_sim::net`"),
        "{outcome}"
    );
}
