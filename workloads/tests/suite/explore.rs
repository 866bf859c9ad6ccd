//! Campaigns by the command line: found, kept, replayed, shrunk, explained; and a campaign
//! continues whatever one seed does.

use crate::command::{Folder, parse};
use retake_sim::explore::Case;
use retake_traces::{TraceReader, TraceWriter};
use retake_workloads::zoo;

const RAFT: &str = "explore zoo/raft/buggy --seeds 0..200";

#[test]
fn a_failure_is_found_kept_replayed_shrunk_and_explained() {
    let folder = Folder::new();
    let found = folder.run(RAFT).ends(1).says("1 failure\n");
    let found = found.says(" lead in term 1").says("shrunk from ");
    let found = found.says("passes if ");
    let case = found.case();
    assert!(case.starts_with("retake-cases/zoo-raft-buggy/"), "{case}");

    let replayed = folder.run(format!("replay {case}")).ends(0);
    replayed.starts("fails as it did: violated: ");
    let why = format!("why {case}");
    folder.run(&why).says("what led to it:");
    folder.run(why + " --mermaid").starts("sequenceDiagram\n");
    let spans = folder.run(format!("export {case} --format otlp"));
    spans.says(r#""service.name","value":{"stringValue":"zoo/raft/buggy"}"#);
    let shrunk = folder.run(format!("shrink {case} -o small.json"));
    shrunk.ends(0).says("deviations ");
    // The bug is fixed: the case says so.
    let fixed = folder.text("small.json").replace("/buggy", "/fixed");
    folder.write("fixed.json", fixed);
    folder
        .run("replay fixed.json")
        .ends(1)
        .starts("passes now: ");

    let [first, second] = [1, 2].map(|_| folder.run(RAFT.to_owned() + " --json").out);
    assert_eq!(first, second);
}

#[test]
fn a_failing_trace_can_be_shrunk_and_explained_too() {
    let folder = Folder::new();
    let fails = |seed: &i32| {
        let run = format!("run zoo/register/buggy --seed {seed} --trace a.retake");
        folder.run(run).code == Some(1)
    };
    assert!((0..50).any(|seed| fails(&seed)));
    let shrunk = folder.run("shrink a.retake");
    shrunk.ends(0).says("written to a.json");
    folder.run("why a.retake").starts("violated: ");
}

#[test]
fn a_seed_that_hangs_aborts_or_eats_all_memory_is_a_failure_and_the_others_go_on() {
    let folder = Folder::new();
    for (canary, seeds, what) in [
        ("abort", 40, "it aborted"),
        ("memory --memory-limit 512", 40, "it got no more memory"),
        ("hang --seed-timeout 2s", 12, "it hangs"),
        ("panic", 40, "the canary panics"),
    ] {
        let explore = format!("explore canary/{canary} --seeds 0..{seeds} --keep-going --json");
        let found = folder.run(explore).ends(1).json();
        assert_eq!(found["runs"], seeds, "{canary}");
        let failures = found["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1, "{canary}: {found}");
        let outcome = failures[0]["case"]["outcome"].as_str().unwrap();
        assert!(outcome.contains(what), "{canary}: {outcome}");
        let count = failures[0]["count"].as_u64().unwrap();
        assert!((1..seeds / 2).contains(&count), "{canary}: {count}");
    }
}

#[test]
fn what_differs_from_itself_is_found_by_running_seeds_twice() {
    let explore = "explore canary/nondeterminism --check-determinism 1";
    let found = Folder::new().run(explore).ends(1);
    let found = found.says("two runs of the seed");
    found.says("first divergence at step");
}

#[test]
fn shards_put_together_are_the_whole() {
    let folder = Folder::new();
    let explore = |more: &str| {
        folder.run(format!(
            "explore zoo/bank/buggy --seeds 3..203 --keep-going {more}"
        ));
    };
    explore("--out whole.json");
    for shard in 1..=3 {
        explore(&format!("--shard {shard}/3 --out {shard}.json"));
    }
    let whole = folder.run("merge whole.json --json").ends(1);
    folder
        .run("merge 1.json 2.json 3.json --json")
        .prints(&whole.out);
    folder.run("merge 1.json").starts("67 seeds, ");
    // Nothing counts twice.
    for (files, what) in [
        ("1.json ./1.json", "./1.json is named twice"),
        ("1.json whole.json", "is in an earlier file as well"),
    ] {
        let merged = folder.run(format!("merge {files}")).complains(what);
        assert_ne!(merged.code, Some(0));
    }
}

#[test]
fn a_campaign_ends_once_a_new_timeline_is_improbable() {
    let folder = Folder::new();
    let quiet = "explore zoo/replicating_storage/fixed --until-quiet 10% --json --jobs";
    let [one, three] = [1, 3].map(|jobs| folder.run(format!("{quiet} {jobs}")).ends(0).out);
    assert_eq!(one, three);
    let found = parse(&one);
    assert_eq!(found["quiet"]["is_quiet"], true);
    assert_eq!(found["runs"], 160);
    assert_eq!(found["timelines"]["distinct"], 2);

    let explore = |more: &str| {
        let explore = "explore zoo/replicating_storage/fixed --jobs 1 --until-quiet";
        folder.run(format!("{explore} {more}")).ends(0).out
    };
    // Without the line that has the speed.
    let end = |text: String| text[text.find("timelines: ").unwrap()..].to_owned();
    insta::assert_snapshot!(end(explore("10%")), @"
    timelines: 2 distinct in 160 seeds (2 in 64, 2 in 128); the next seed shows a
                 new one with probability at most 8.5 % (estimate: 0 %)
    no failure
    quiet after 160 seeds: the next seed shows a new timeline with probability at
                 most 8.5 %
    ");
    insta::assert_snapshot!(end(explore("0.01 --seeds 0..100")), @"
    timelines: 2 distinct in 100 seeds (2 in 32, 2 in 64); the next seed shows a new
                 one with probability at most 14 % (estimate: 0 %)
    no failure
    not yet quiet after 100 seeds: the next seed shows a new timeline with
                 probability at most 14 %, not 1 %, which takes 1536 seeds or more
    ");
}

#[test]
fn a_campaign_without_failure_passes_with_faults_too() {
    let folder = Folder::new();
    for faults in ["none", "swarm"] {
        let explore = format!("explore zoo/raft/fixed --seeds 0..50 --faults {faults}");
        let passed = folder.run(explore).ends(0);
        passed.says("goal: a leader is elected: reached in ");
    }
    folder.write("plan.toml", "faults = [\"kill coordinator @step 5\"]\n");
    let failed = folder.run("explore zoo/commit_crash/fixed --faults plan.toml");
    failed
        .ends(1)
        .says("passes without the fault `kill coordinator @step");
}

#[test]
fn a_run_whose_faults_strike_whoever_comes_first_replays() {
    for fault in [
        "kill *supervised @step 40",
        "panic *supervised @step 40",
        "slow *supervised by 3ms @step 40 until 1s",
        "kill *supervised in await @step 40",
        "pause @step 50 until 2s",
    ] {
        let folder = Folder::new();
        let run = format!("run recovery/one_action --fault '{fault}' --trace a.retake");
        // The scenario counts failures, and may find one too many.
        folder.run(run).says("trace ");
        let shown = folder.run("show a.retake");
        assert_eq!(shown.out.matches("FAULT: ").count(), 2, "{fault}: {shown}");
        folder.run("replay a.retake").ends(0);
    }
}

#[test]
fn mistakes_are_named() {
    let folder = Folder::new();
    folder.write("wrong.toml", "faulst = []");
    folder.write("wrong.json", "{}");
    folder.refuses(
        2,
        &[
            "explore nothing => this program has no scenario `nothing`",
            "explore zoo/raft/buggy --seeds 9..3 => there is no seed in 9..3",
            "explore zoo/raft/buggy --shard 4/3 => parts are counted from 1",
            "explore zoo/raft/fixed --until-quiet x => invalid share \"x\": write a percentage",
            "explore zoo/raft/fixed --until-quiet 1 => invalid share \"1\": must be above 0%",
            "explore zoo/raft/fixed --until-quiet 0.001% => must be 0.0014% or more",
            "explore zoo/raft/fixed --until-quiet 1% --shard 1/2 => cannot be used with '--shard",
            "explore zoo/raft/fixed --until-quiet 1% --exhaustive => cannot be used with '--exh",
            "explore zoo/raft/buggy --strategy best => there is no such strategy",
            "explore zoo/raft/buggy --faults wrong.toml => unknown field `faulst`",
            "explore zoo/raft/buggy --faults none.toml => cannot read the fault plan",
            "zoo zoo/unicorn => there is no program `zoo/unicorn`",
        ],
    );
    folder.refuses(
        3,
        &[
            "merge wrong.json => not what `explore --out` writes",
            "merge none.json => none.json",
            "shrink wrong.json => is no saved case",
            "why wrong.json => is no saved case",
            "replay wrong.json => is no saved case",
        ],
    );
}

#[test]
fn a_trace_of_a_shrunk_case_is_run_again_with_its_schedule() {
    let folder = Folder::new();
    let found = folder.run(RAFT);
    let case = Case::load(&folder.at(found.case())).unwrap();
    assert!(!case.holds().is_empty(), "{case:?}");
    let buggy = zoo::find("zoo/raft/buggy").unwrap();
    let header = case.header("retake 1", "");
    let writer = TraceWriter::create(folder.at("a.retake"), &header).unwrap();
    let run = case.run_into(&buggy.run.into(), writer, true);
    assert_eq!(run.outcome.to_string(), case.outcome);

    folder.run("shrink a.retake -o again.json").ends(0);
    let again = Case::load(&folder.at("again.json")).unwrap();
    assert_eq!(again.signature, case.signature);
    folder.run("why a.retake").says("passes if ");
    folder.run("replay a.retake --from-seed").ends(0);
}

#[test]
fn a_strict_run_is_strict_when_it_is_replayed() {
    let folder = Folder::new();
    folder.run("run recovery/one_action --horizon 5s --trace a.retake --strict");
    let trace = TraceReader::open(folder.at("a.retake")).unwrap();
    assert!(trace.header().config.strict);
    folder.run("replay a.retake").starts("identical: ");
}
