//! What a campaign finds is the same however it is run, and nothing of it is lost.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{retake, stderr, stdout};
use serde_json::Value;

/// Explore all seeds and give what was found, as it was written.
fn found(folder: &Path, scenario: &str, seeds: &str, more: &[&str]) -> String {
    let arguments = [
        "explore",
        scenario,
        "--seeds",
        seeds,
        "--keep-going",
        "--no-shrink",
        "--out",
        "found.json",
    ];
    let output = retake(folder, &[&arguments[..], more].concat());
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        stderr(&output)
    );
    std::fs::read_to_string(folder.join("found.json")).unwrap()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The case of the first failure that a campaign lists.
fn first_case(text: &str) -> String {
    let case = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("case: "));
    case.unwrap_or_else(|| panic!("no case: {text}")).to_owned()
}

#[test]
fn what_processes_collect_changes_no_seed() {
    let folder = tempfile::tempdir().unwrap();
    for scenario in ["canary/leases", "canary/lazy"] {
        let one = found(folder.path(), scenario, "0..200", &["--jobs", "1"]);
        let failures = &parse(&one)["failures"];
        assert_eq!(failures.as_array().unwrap().len(), 1, "{scenario}: {one}");
        let count = failures[0]["count"].as_u64().unwrap();
        assert!((10..120).contains(&count), "{scenario}: {count} of 200");
        for jobs in ["1", "2", "3"] {
            let again = found(folder.path(), scenario, "0..200", &["--jobs", jobs]);
            assert_eq!(one, again, "{scenario} with {jobs} jobs");
        }
        // One seed alone is what it is among others.
        let seed = failures[0]["case"]["seed"].as_u64().unwrap();
        let alone = format!("{seed}..={seed}");
        let alone = parse(&found(folder.path(), scenario, &alone, &[]));
        assert_eq!(alone["failures"][0]["case"], failures[0]["case"]);
        let explored = retake(folder.path(), &["explore", scenario]);
        let case = first_case(&stdout(&explored));
        let replayed = retake(folder.path(), &["replay", &case]);
        assert!(
            stdout(&replayed).starts_with("fails as it did"),
            "{}",
            stdout(&replayed)
        );
    }
}

#[test]
fn a_load_under_faults_is_the_same_with_any_number_of_jobs() {
    let folder = tempfile::tempdir().unwrap();
    // Among these are seeds that depend on what their process has run before.
    let explore = |jobs: &str| {
        let more = ["--faults", "swarm", "--jobs", jobs];
        found(folder.path(), "recovery/chaos", "195..210", &more)
    };
    let one = explore("1");
    assert_eq!(one, explore("2"));
    assert_eq!(one, explore("5"));
}

#[test]
fn what_fails_in_the_order_of_arrival_alone_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let output = retake(folder.path(), &["explore", "canary/arrival"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("found by the plain run: first in, first out"),
        "{text}"
    );
    let why = retake(folder.path(), &["why", &first_case(&text)]);
    assert_eq!(why.status.code(), Some(0), "{}", stderr(&why));
    // It belongs to one part of a campaign.
    let part = ["--shard", "2/2"];
    let explored = ["explore", "canary/arrival", "--seeds", "0..20"];
    let output = retake(folder.path(), &[&explored[..], &part].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn what_depends_on_earlier_runs_is_reported_and_fails_where_they_share_a_process() {
    let folder = tempfile::tempdir().unwrap();
    let explore = |more: &[&str]| {
        let arguments = ["explore", "canary/history", "--seeds", "0..20"];
        retake(folder.path(), &[&arguments[..], more].concat())
    };
    let all = ["--check-determinism", "1"];
    let output = explore(&all);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("depends on earlier runs"), "{text}");
    let output = explore(&[&all[..], &["--isolation", "shared"]].concat());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["depends on earlier runs", "first divergence", "alone"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_failure_that_earlier_runs_have_caused_is_not_taken_for_one_of_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    // What the first run draws, all others of its process meet.
    let arguments = [
        "explore",
        "canary/lazy",
        "--seeds",
        "0..40",
        "--keep-going",
        "--isolation",
        "shared",
        "--jobs",
        "1",
    ];
    let output = retake(folder.path(), &arguments);
    let text = stdout(&output);
    assert!(
        output.status.code() == Some(0) || text.contains("depends on earlier runs"),
        "{text}"
    );
}

#[test]
fn what_a_scenario_prints_goes_to_the_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["explore", "canary/print", "--seeds", "0..30", "--json"];
    let output = retake(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let found = parse(&stdout(&output));
    assert_eq!(found["failures"].as_array().unwrap().len(), 1);
    assert!(stderr(&output).contains("line 2 of the canary"));
    // Nor does it keep a single run from ending.
    let run = retake(folder.path(), &["run", "canary/print", "--seed", "1"]);
    assert!(stdout(&run).contains("canary/print: passed"));
}

#[test]
fn folders_that_cannot_be_written_are_found_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for option in ["--cases", "--out"] {
        let arguments = ["explore", "canary/panic", "--seeds", "0..40"];
        let more = [option, "file/within"];
        let output = retake(folder.path(), &[&arguments[..], &more].concat());
        assert_eq!(output.status.code(), Some(3), "{option}");
        assert!(stderr(&output).contains("error: cannot "), "{option}");
        assert!(!stdout(&output).contains("seeds/s"), "{option}");
    }
}

/// Start a campaign and interrupt it once it has saved something.
#[cfg(unix)]
#[test]
fn a_campaign_that_is_interrupted_keeps_what_it_has_found() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "explore",
        "canary/panic",
        "--seeds",
        "0..100000000",
        "--keep-going",
        "--out",
        "found.json",
    ];
    let campaign = Command::new(env!("CARGO_BIN_EXE_retake"))
        .args(arguments)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let cases = folder.path().join("retake-cases/canary-panic");
    // A failure is saved when it is found, long before the end.
    while std::fs::read_dir(&cases).map_or(0, Iterator::count) == 0 {
        std::thread::yield_now();
    }
    let kill = Command::new("kill")
        .args(["-INT", &campaign.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = campaign.wait_with_output().unwrap();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(130), "{text}{}", stderr(&output));
    let words: Vec<&str> = text.split_whitespace().collect();
    assert!(words.join(" ").contains("the canary panics"), "{text}");
    let found = parse(&std::fs::read_to_string(folder.path().join("found.json")).unwrap());
    assert_eq!(found["failures"][0]["case"]["seed"], 10);
    let replayed = retake(folder.path(), &["replay", &first_case(&text)]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));
}
