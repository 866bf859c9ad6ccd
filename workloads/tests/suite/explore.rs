//! Campaigns by the command line: found, kept, replayed, shrunk, explained; and a campaign
//! continues whatever one seed does.

use crate::command::{retake, stderr, stdout};
use retake_sim::explore::Case;
use retake_traces::{TraceReader, TraceWriter};
use retake_workloads::zoo;
use serde_json::Value;

#[test]
fn a_failure_is_found_kept_replayed_shrunk_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let explored = ["explore", "zoo/raft/buggy", "--seeds", "0..200"];
    let found = retake(folder.path(), &explored);
    let text = stdout(&found);
    assert_eq!(found.status.code(), Some(1), "{text}{}", stderr(&found));
    assert!(
        text.contains("1 failure\n") && text.contains(" lead in term 1"),
        "{text}"
    );
    assert!(
        text.contains("shrunk from ") && text.contains("passes if "),
        "{text}"
    );
    let case = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("case: "));
    let case = case.unwrap();
    assert!(case.starts_with("retake-cases/zoo-raft-buggy/"), "{case}");

    let replayed = retake(folder.path(), &["replay", case]);
    assert_eq!(replayed.status.code(), Some(0));
    assert!(stdout(&replayed).starts_with("fails as it did: violated: "));
    let why = retake(folder.path(), &["why", case]);
    assert!(stdout(&why).contains("what led to it:"), "{}", stdout(&why));
    let diagram = retake(folder.path(), &["why", case, "--mermaid"]);
    assert!(stdout(&diagram).starts_with("sequenceDiagram\n"));

    let spans = retake(folder.path(), &["export", case, "--format", "otlp"]);
    assert!(stdout(&spans).contains(r#""service.name","value":{"stringValue":"zoo/raft/buggy"}"#));

    let shrunk = retake(folder.path(), &["shrink", case, "-o", "small.json"]);
    assert_eq!(shrunk.status.code(), Some(0), "{}", stderr(&shrunk));
    assert!(
        stdout(&shrunk).contains("deviations "),
        "{}",
        stdout(&shrunk)
    );
    // The bug is fixed: the case says so.
    let text = std::fs::read_to_string(folder.path().join("small.json")).unwrap();
    let fixed = text.replace("zoo/raft/buggy", "zoo/raft/fixed");
    std::fs::write(folder.path().join("fixed.json"), fixed).unwrap();
    let replayed = retake(folder.path(), &["replay", "fixed.json"]);
    assert_eq!(replayed.status.code(), Some(1));
    assert!(
        stdout(&replayed).starts_with("passes now: "),
        "{}",
        stdout(&replayed)
    );

    let json = [&explored[..], &["--json"]].concat();
    let both = [1, 2].map(|_| stdout(&retake(folder.path(), &json)));
    assert_eq!(both[0], both[1]);
}

#[test]
fn a_failing_trace_can_be_shrunk_and_explained_too() {
    let folder = tempfile::tempdir().unwrap();
    let seed = (0..50).find(|seed| {
        let seed = seed.to_string();
        let run = [
            "run",
            "zoo/register/buggy",
            "--seed",
            &seed,
            "--trace",
            "a.retake",
        ];
        retake(folder.path(), &run).status.code() == Some(1)
    });
    assert!(seed.is_some());
    let shrunk = retake(folder.path(), &["shrink", "a.retake"]);
    assert_eq!(shrunk.status.code(), Some(0), "{}", stderr(&shrunk));
    assert!(
        stdout(&shrunk).contains("written to a.json"),
        "{}",
        stdout(&shrunk)
    );
    let why = retake(folder.path(), &["why", "a.retake"]);
    assert!(stdout(&why).starts_with("violated: "), "{}", stdout(&why));
}

#[test]
fn a_seed_that_hangs_aborts_or_eats_all_memory_is_a_failure_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    for (canary, what, more) in [
        ("canary/abort", "it aborted", &[][..]),
        (
            "canary/memory",
            "it got no more memory",
            &["--memory-limit", "512"][..],
        ),
        ("canary/hang", "it hangs", &["--seed-timeout", "2s"][..]),
        ("canary/panic", "the canary panics", &[][..]),
    ] {
        let seeds = if canary == "canary/hang" {
            "0..12"
        } else {
            "0..40"
        };
        let arguments = [
            "explore",
            canary,
            "--seeds",
            seeds,
            "--keep-going",
            "--json",
        ];
        let output = retake(folder.path(), &[&arguments[..], more].concat());
        assert_eq!(
            output.status.code(),
            Some(1),
            "{canary}: {}",
            stderr(&output)
        );
        let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let all = seeds.trim_start_matches("0..").parse::<u64>().unwrap();
        assert_eq!(found["runs"], all, "{canary}");
        let failures = found["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1, "{canary}: {found}");
        let outcome = failures[0]["case"]["outcome"].as_str().unwrap();
        assert!(outcome.contains(what), "{canary}: {outcome}");
        let count = failures[0]["count"].as_u64().unwrap();
        assert!(count >= 1 && count < all / 2, "{canary}: {count} of {all}");
    }
}

#[test]
fn what_differs_from_itself_is_found_by_running_seeds_twice() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "explore",
        "canary/nondeterminism",
        "--check-determinism",
        "1",
    ];
    let found = retake(folder.path(), &arguments);
    assert_eq!(found.status.code(), Some(1));
    for part in ["two runs of the seed", "first divergence at step"] {
        assert!(stdout(&found).contains(part), "{}", stdout(&found));
    }
}

#[test]
fn shards_put_together_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let explore = |more: &[&str]| {
        let all = [
            "explore",
            "zoo/bank/buggy",
            "--seeds",
            "3..203",
            "--keep-going",
        ];
        retake(folder.path(), &[&all[..], more].concat())
    };
    explore(&["--out", "whole.json"]);
    for shard in ["1/3", "2/3", "3/3"] {
        explore(&["--shard", shard, "--out", &format!("{}.json", &shard[..1])]);
    }
    let merged = retake(
        folder.path(),
        &["merge", "1.json", "2.json", "3.json", "--json"],
    );
    let whole = retake(folder.path(), &["merge", "whole.json", "--json"]);
    assert_eq!(stdout(&merged), stdout(&whole));
    assert_eq!(whole.status.code(), Some(1));
    let text = stdout(&retake(folder.path(), &["merge", "1.json"]));
    assert!(text.starts_with("67 seeds, "), "{text}");
    // Nothing counts twice.
    for (files, what) in [
        (["1.json", "./1.json"], "./1.json is named twice"),
        (["1.json", "whole.json"], "is in an earlier file as well"),
    ] {
        let merged = retake(folder.path(), &["merge", files[0], files[1]]);
        assert_ne!(merged.status.code(), Some(0));
        assert!(stderr(&merged).contains(what), "{}", stderr(&merged));
    }
}

#[test]
fn a_campaign_without_failure_passes_with_faults_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("plan.toml"),
        "faults = [\"kill coordinator @step 5\"]\n",
    )
    .unwrap();
    for faults in ["none", "swarm"] {
        let explore = [
            "explore",
            "zoo/raft/fixed",
            "--seeds",
            "0..50",
            "--faults",
            faults,
        ];
        let output = retake(folder.path(), &explore);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        assert!(stdout(&output).contains("goal: a leader is elected: reached in "));
    }
    let explore = ["explore", "zoo/commit_crash/fixed", "--faults", "plan.toml"];
    let output = retake(folder.path(), &explore);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("passes without the fault `kill coordinator @step"));
}

#[test]
fn a_run_whose_faults_strike_whoever_comes_first_replays() {
    let folder = tempfile::tempdir().unwrap();
    for fault in [
        "kill *supervised @step 40",
        "panic *supervised @step 40",
        "slow *supervised by 3ms @step 40 until 1s",
        "kill *supervised in await @step 40",
        "pause @step 50 until 2s",
    ] {
        let run = [
            "run",
            "recovery/one_action",
            "--fault",
            fault,
            "--trace",
            "a.retake",
        ];
        // The scenario counts failures, and may find one too many.
        let first = retake(folder.path(), &run);
        assert!(stdout(&first).contains("trace "), "{}", stderr(&first));
        let shown = stdout(&retake(folder.path(), &["show", "a.retake"]));
        assert_eq!(shown.matches("FAULT: ").count(), 2, "{fault}: {shown}");
        let again = retake(folder.path(), &["replay", "a.retake"]);
        assert_eq!(again.status.code(), Some(0), "{fault}: {}", stdout(&again));
        std::fs::remove_file(folder.path().join("a.retake")).unwrap();
    }
}

#[test]
fn mistakes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wrong.toml"), "faulst = []").unwrap();
    std::fs::write(folder.path().join("wrong.json"), "{}").unwrap();
    for (arguments, code, what) in [
        (
            &["explore", "nothing"][..],
            2,
            "this program has no scenario `nothing`",
        ),
        (
            &["explore", "zoo/raft/buggy", "--seeds", "9..3"],
            2,
            "there is no seed in 9..3",
        ),
        (
            &["explore", "zoo/raft/buggy", "--shard", "4/3"],
            2,
            "parts are counted from 1",
        ),
        (
            &["explore", "zoo/raft/buggy", "--strategy", "best"],
            2,
            "there is no such strategy",
        ),
        (
            &["explore", "zoo/raft/buggy", "--faults", "wrong.toml"],
            2,
            "unknown field `faulst`",
        ),
        (
            &["explore", "zoo/raft/buggy", "--faults", "none.toml"],
            2,
            "cannot read the fault plan",
        ),
        (
            &["merge", "wrong.json"],
            3,
            "not what `explore --out` writes",
        ),
        (&["merge", "none.json"], 3, "none.json"),
        (&["shrink", "wrong.json"], 3, "is no saved case"),
        (&["why", "wrong.json"], 3, "is no saved case"),
        (&["replay", "wrong.json"], 3, "is no saved case"),
        (
            &["zoo", "zoo/unicorn"],
            2,
            "there is no program `zoo/unicorn`",
        ),
    ] {
        let output = retake(folder.path(), arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(what), "{arguments:?}: {text}");
    }
}

#[test]
fn a_trace_of_a_shrunk_case_is_run_again_with_its_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let explored = ["explore", "zoo/raft/buggy", "--seeds", "0..200"];
    let found = stdout(&retake(folder.path(), &explored));
    let case = found
        .lines()
        .find_map(|line| line.trim().strip_prefix("case: "));
    let case = Case::load(&folder.path().join(case.unwrap())).unwrap();
    assert!(!case.holds().is_empty(), "{case:?}");
    let buggy = zoo::find("zoo/raft/buggy").unwrap();
    let header = case.header("retake 1", "");
    let writer = TraceWriter::create(folder.path().join("a.retake"), &header).unwrap();
    let run = case.run_into(&buggy.run.into(), writer, true);
    assert_eq!(run.outcome.to_string(), case.outcome);

    let arguments = ["shrink", "a.retake", "-o", "again.json"];
    let shrunk = retake(folder.path(), &arguments);
    assert_eq!(shrunk.status.code(), Some(0), "{}", stdout(&shrunk));
    let again = Case::load(&folder.path().join("again.json")).unwrap();
    assert_eq!(again.signature, case.signature);
    let why = stdout(&retake(folder.path(), &["why", "a.retake"]));
    assert!(why.contains("passes if "), "{why}");
    let replayed = retake(folder.path(), &["replay", "a.retake", "--from-seed"]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stdout(&replayed));
}

#[test]
fn a_strict_run_is_strict_when_it_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", "recovery/one_action", "--horizon", "5s", "--trace"];
    let arguments = [&run[..], &["a.retake", "--strict"]].concat();
    retake(folder.path(), &arguments);
    let header = TraceReader::open(folder.path().join("a.retake"));
    assert!(header.unwrap().header().config.strict);
    let replayed = stdout(&retake(folder.path(), &["replay", "a.retake"]));
    assert!(replayed.starts_with("identical: "), "{replayed}");
}
