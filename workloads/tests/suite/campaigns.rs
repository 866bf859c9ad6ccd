//! What a campaign finds is the same however it is run, and nothing of it is lost.

use crate::command::{Folder, parse};

/// Explore all seeds and give what was found, as it was written.
fn found(folder: &Folder, explore: &str) -> String {
    let more = "--keep-going --no-shrink --out found.json";
    folder.run(format!("explore {explore} {more}")).runs();
    folder.text("found.json")
}

#[test]
fn what_processes_collect_changes_no_seed() {
    let folder = Folder::new();
    for scenario in ["canary/leases", "canary/lazy"] {
        let all = |jobs: u32| found(&folder, &format!("{scenario} --seeds 0..200 --jobs {jobs}"));
        let one = all(1);
        let failures = &parse(&one)["failures"];
        assert_eq!(failures.as_array().unwrap().len(), 1, "{scenario}: {one}");
        let count = failures[0]["count"].as_u64().unwrap();
        assert!((10..120).contains(&count), "{scenario}: {count} of 200");
        for jobs in 1..=3 {
            assert_eq!(one, all(jobs), "{scenario} with {jobs} jobs");
        }
        // One seed alone is what it is among others.
        let seed = &failures[0]["case"]["seed"];
        let alone = found(&folder, &format!("{scenario} --seeds {seed}..={seed}"));
        assert_eq!(parse(&alone)["failures"][0]["case"], failures[0]["case"]);
        let explored = folder.run(format!("explore {scenario}"));
        let replayed = folder.run(format!("replay {}", explored.case()));
        replayed.starts("fails as it did");
    }
}

#[test]
fn a_load_under_faults_is_the_same_with_any_number_of_jobs() {
    let folder = Folder::new();
    // Among these are seeds that depend on what their process has run before.
    let chaos = "recovery/chaos --seeds 195..210 --faults swarm --jobs";
    let [one, two, five] = [1, 2, 5].map(|jobs| found(&folder, &format!("{chaos} {jobs}")));
    assert_eq!(one, two);
    assert_eq!(one, five);
}

#[test]
fn what_fails_in_the_order_of_arrival_alone_is_found() {
    let folder = Folder::new();
    let found = folder.run("explore canary/arrival").ends(1);
    let found = found.says("found by the plain run: first in, first out");
    folder.run(format!("why {}", found.case())).ends(0);
    // It belongs to one part of a campaign.
    let part = "explore canary/arrival --seeds 0..20 --shard 2/2";
    folder.run(part).ends(0);
}

#[test]
fn what_depends_on_earlier_runs_is_reported_and_fails_where_they_share_a_process() {
    let folder = Folder::new();
    let explore = "explore canary/history --seeds 0..20 --check-determinism 1";
    folder.run(explore).ends(0).says("depends on earlier runs");
    let shared = folder.run(format!("{explore} --isolation shared")).ends(1);
    let shared = shared.says("depends on earlier runs");
    shared.says("first divergence").says("alone");
}

#[test]
fn a_failure_that_earlier_runs_have_caused_is_not_taken_for_one_of_the_seed() {
    // What the first run draws, all others of its process meet.
    let shared = "--keep-going --isolation shared --jobs 1";
    let found = Folder::new().run(format!("explore canary/lazy --seeds 0..40 {shared}"));
    if found.code != Some(0) {
        found.says("depends on earlier runs");
    }
}

#[test]
fn what_a_scenario_prints_goes_to_the_standard_error() {
    let folder = Folder::new();
    let found = folder.run("explore canary/print --seeds 0..30 --json");
    let found = found.ends(1).complains("line 2 of the canary");
    assert_eq!(found.json()["failures"].as_array().unwrap().len(), 1);
    // Nor does it keep a single run from ending.
    let run = folder.run("run canary/print --seed 1");
    run.says("canary/print: passed");
}

#[test]
fn folders_that_cannot_be_written_are_found_before_the_work() {
    let folder = Folder::new();
    folder.write("file", "");
    folder.refuses(
        3,
        &[
            "explore canary/panic --seeds 0..40 --cases file/within => error: cannot ",
            "explore canary/panic --seeds 0..40 --out file/within => error: cannot ",
        ],
    );
}

/// Start a campaign and interrupt it once it has saved something.
#[cfg(unix)]
#[test]
fn a_campaign_that_is_interrupted_keeps_what_it_has_found() {
    use crate::command::{Outcome, signal};
    let folder = Folder::new();
    let explore = "explore canary/panic --seeds 0..100000000 --keep-going --out found.json";
    let campaign = folder.start(explore);
    let cases = folder.at("retake-cases/canary-panic");
    // A failure is saved when it is found, long before the end.
    while std::fs::read_dir(&cases).map_or(0, Iterator::count) == 0 {
        std::thread::yield_now();
    }
    signal("-INT", campaign.id());
    let campaign = Outcome::of_child(campaign).ends(130);
    let words: Vec<&str> = campaign.out.split_whitespace().collect();
    assert!(words.join(" ").contains("the canary panics"), "{campaign}");
    let found = folder.json("found.json");
    assert_eq!(found["failures"][0]["case"]["seed"], 10);
    folder.run(format!("replay {}", campaign.case())).ends(0);
}
