//! `retake diff` on runs of the zoo, one that passes and one that fails: what a person
//! reads has to name the reason.

use tempfile::TempDir;

use crate::command::retake;

/// Exit code and output of `diff` for a program under two settings.
fn diff(program: &str, settings: [&str; 2], more: &[&str]) -> (Option<i32>, String) {
    let folder = TempDir::new().unwrap();
    for (name, settings) in ["passes.retake", "fails.retake"].iter().zip(settings) {
        let mut arguments = vec!["run", program, "--trace", name];
        arguments.extend(settings.split(' '));
        let ran = retake(folder.path(), &arguments);
        assert!(matches!(ran.status.code(), Some(0 | 1)), "{ran:?}");
    }
    let arguments = [&["diff", "passes.retake", "fails.retake"], more].concat();
    let output = retake(folder.path(), &arguments);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn a_message_that_overtook_another_is_named() {
    let (code, text) = diff("zoo/queued_job/buggy", ["--seed 0", "--seed 1"], &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn votes_that_came_in_another_order_are_named() {
    let (code, text) = diff("zoo/raft/buggy", ["--seed 0", "--seed 2"], &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn where_no_message_explains_it_the_step_at_which_the_runs_part_is_shown() {
    let (code, text) = diff("zoo/registered_name/buggy", ["--seed 0", "--seed 1"], &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    insta::assert_snapshot!(text);
}

#[test]
fn json_says_the_same() {
    let (code, text) = diff("zoo/raft/buggy", ["--seed 0", "--seed 2"], &["--json"]);
    assert_eq!(code, Some(1));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["verdict"], "different");
    assert_eq!(value["races"][0]["who"], "server-2");
    assert!(value["right"]["line"]["detail"].is_string());
}

#[test]
fn a_schedule_that_only_reorders_independent_steps_gives_the_same_run() {
    let settings = ["--strategy fifo", "--seed 1 --strategy random"];
    let (code, text) = diff("zoo/chord/fixed", settings, &[]);
    assert_eq!(code, Some(0));
    let same = "same up to the order of independent steps: ";
    assert!(text.contains(same), "{text}");
    let (code, text) = diff("zoo/chord/fixed", settings, &["--strict"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("first divergence at step"), "{text}");
}
