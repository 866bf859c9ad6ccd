//! What the tutorial shows is what its commands print.

use std::path::Path;
use std::process::Command;

use retake_sim::explore::{Case, Explorer, explain, shrink};
use retake_traces::{Header, Layers, TraceWriter};
use retake_workloads::zoo;

const TUTORIAL: &str = include_str!("../../../docs/tutorial.md");
const NAME: &str = "every_job_is_done";

/// The blocks that begin with a command, each with what it prints.
fn blocks() -> Vec<(&'static str, &'static str)> {
    TUTORIAL
        .split("```console\n$ ")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```")?.0.split_once('\n'))
        .collect()
}

/// A command's words; quotes hold spaces together.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().expect("begun with one").push(c),
        }
    }
    words
}

fn failing_case() -> Case {
    let buggy = zoo::find("zoo/queued_job/buggy").expect("it is one of the zoo's");
    let campaign = Explorer::new(NAME).seeds(0..200).run(buggy.run);
    let failure = campaign.failures.into_iter().next().expect("it is found");
    let shrunk = shrink(&failure.case, buggy.run, |_| {}).expect("it fails again");
    shrunk.case
}

fn record(case: &Case, path: &Path) {
    let buggy = zoo::find("zoo/queued_job/buggy").expect("it is one of the zoo's");
    let header = Header {
        scenario: case.scenario.clone(),
        config: case.config.clone(),
        layers: Layers::ALL,
        ..Header::default()
    };
    let writer = TraceWriter::create(path, &header).expect("the folder is there");
    let sim = case.sim().record(Layers::ALL);
    assert!(!sim.trace(writer).run(buggy.run).passed());
}

#[test]
fn the_tutorial_shows_what_its_commands_print() {
    let case = failing_case();
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let trace = folder.path().join("t.retake");
    record(&case, &trace);
    let mut asked = 0;
    for (command, shown) in blocks() {
        let words = words(command);
        if words[..2] == ["retake", "debug"] {
            let arguments = words[1..].iter().map(|word| match &**word {
                "$trace" => trace.as_os_str().to_owned(),
                word => word.into(),
            });
            let printed = Command::new(env!("CARGO_BIN_EXE_retake"))
                .args(arguments)
                .args(["--width", "80"])
                .output()
                .expect("it starts");
            let printed = String::from_utf8(printed.stdout).expect("it is text");
            assert_eq!(printed.trim_end(), shown, "{command}");
            asked += 1;
        }
    }
    assert!(asked >= 2, "the tutorial asks no more");
}

#[test]
fn the_tutorial_shows_the_story_of_its_red_test() {
    let case = failing_case();
    let buggy = zoo::find("zoo/queued_job/buggy").expect("it is one of the zoo's");
    let story = explain(&case, buggy.run).to_text(120);
    let (_, shown) = blocks()[0];
    assert!(shown.contains(&story), "{story}\nis not in\n{shown}");
}
