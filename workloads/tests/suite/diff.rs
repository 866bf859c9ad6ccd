//! `retake diff` on runs of the zoo, one that passes and one that fails: what a person
//! reads has to name the reason.

use crate::command::{Folder, Outcome};

/// The differences of a program's runs under two settings.
fn diff(program: &str, settings: [&str; 2], more: &str) -> Outcome {
    let folder = Folder::new();
    for (name, settings) in ["passes", "fails"].iter().zip(settings) {
        let run = format!("run {program} --trace {name}.retake {settings}");
        folder.run(run).runs();
    }
    let diff = folder.run(format!("diff passes.retake fails.retake {more}"));
    assert_eq!(diff.err, "");
    diff
}

/// The same in text, for two seeds.
fn readable(program: &str, other_seed: u32) -> String {
    let settings = ["--seed 0", &format!("--seed {other_seed}")];
    diff(program, settings, "").ends(1).fits(80).out
}

#[test]
fn a_message_that_overtook_another_is_named() {
    insta::assert_snapshot!(readable("zoo/queued_job/buggy", 1));
}

#[test]
fn votes_that_came_in_another_order_are_named() {
    insta::assert_snapshot!(readable("zoo/raft/buggy", 2));
}

#[test]
fn where_no_message_explains_it_the_step_at_which_the_runs_part_is_shown() {
    insta::assert_snapshot!(readable("zoo/registered_name/buggy", 1));
}

#[test]
fn json_says_the_same() {
    let diff = diff("zoo/raft/buggy", ["--seed 0", "--seed 2"], "--json");
    let value = diff.ends(1).json();
    assert_eq!(value["verdict"], "different");
    assert_eq!(value["races"][0]["who"], "server-2");
    assert!(value["right"]["line"]["detail"].is_string());
}

#[test]
fn a_schedule_that_only_reorders_independent_steps_gives_the_same_run() {
    let settings = ["--strategy fifo", "--seed 1 --strategy random"];
    let same = diff("zoo/chord/fixed", settings, "").ends(0);
    same.says("same up to the order of independent steps: ");
    let strict = diff("zoo/chord/fixed", settings, "--strict").ends(1);
    strict.says("first divergence at step");
}
