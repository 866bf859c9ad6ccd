//! Faults in a project that knows nothing of them.

use serde_json::Value;

use crate::shop::project;

const TEST: &str = "the_till_rings_three_times";

#[test]
fn a_killed_task_is_found_in_the_story_the_case_and_the_report_and_is_replayed() {
    let project = project();
    let command = [
        "test",
        "--test",
        "faults",
        "--seeds",
        "5",
        "--fault",
        "kill rings @2500ms",
        "--fault",
        "delay nobody @1s until 2s",
        "--json",
        "target/retake/json",
    ];
    let text = project.succeeds_with(&command, 1);
    let line = format!("{TEST} ... FAILED under faults only, under 5 of 5 seeds: seed 0");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("nobody_needs_the_till ... 5 seeds"), "{text}");
    assert!(
        text.contains("; it passes without faults; shrunk from "),
        "{text}"
    );
    assert!(text.contains(" and 1 fault to 0 and 1, by "), "{text}");
    assert!(
        text.contains("passes without the fault `kill rings @step "),
        "{text}"
    );
    assert!(
        text.contains("rings                  FAULT: killed"),
        "{text}"
    );
    assert!(
        text.contains("the fault `delay nobody @1s until 2s` was not injected"),
        "{text}"
    );
    let json = std::fs::read(project.folder.join("target/retake/json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let tests = json["tests"].as_array().unwrap();
    let failed = tests.iter().find(|it| it["test"] == TEST).unwrap();
    let failure = &failed["failures"][0];
    assert_eq!(failure["under_faults_only"], true);
    let fault = failure["case"]["faults"][0].as_str().unwrap();
    assert!(fault.starts_with("kill rings @step "), "{fault}");

    let replay = text
        .lines()
        .find_map(|it| it.strip_prefix("replay: cargo retake "));
    let replay = replay.unwrap().to_owned();
    for trace in ["one", "other"] {
        let text = project.succeeds(&format!("{replay} --trace target/retake/{trace}"), 1);
        assert!(text.starts_with("fails as it did: panicked: "), "{text}");
        assert!(text.contains("it has not rung three times"), "{text}");
    }
    let read = |name: &str| std::fs::read(project.folder.join("target/retake").join(name));
    assert_eq!(read("one").unwrap(), read("other").unwrap());
}

#[test]
fn a_swarm_draws_other_faults_for_each_seed_and_finds_what_fails_under_them() {
    let project = project();
    let text = project.succeeds("test --test faults --seeds 60 --faults swarm", 1);
    assert!(
        text.contains(&format!("{TEST} ... FAILED under faults only, under ")),
        "{text}"
    );
    assert!(
        text.contains("nobody_needs_the_till ... 60 seeds, "),
        "{text}"
    );
    assert!(text.contains("passes without the fault"), "{text}");
    let replay = text
        .lines()
        .find_map(|it| it.strip_prefix("replay: cargo retake "));
    let text = project.succeeds(replay.unwrap(), 1);
    assert!(text.starts_with("fails as it did"), "{text}");
    project.succeeds("test --test faults --seeds 60", 1);
}

#[test]
fn faults_that_cannot_be_injected_are_refused_before_anything_is_built() {
    let project = project();
    let text = project.refuses("test --faults swrm");
    assert!(text.contains("did you mean `swarm`?"), "{text}");
    let command = ["test", "--fault", "kill rings with 2 siblings @1s"];
    let text = project.refuses_with(&command);
    assert!(
        text.contains("write the label of a task, `PREFIX*` for several"),
        "{text}"
    );
}
