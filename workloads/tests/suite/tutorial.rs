//! What the tutorial shows is what its commands print.

use retake_sim::explore::{Case, Explorer, explain, shrink};
use retake_traces::{Header, Layers, TraceWriter};
use retake_workloads::zoo::{self, Variant};

use crate::command::Folder;

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

fn buggy() -> Variant {
    zoo::find("zoo/queued_job/buggy").unwrap()
}

fn failing_case() -> Case {
    let campaign = Explorer::new(NAME).seeds(0..200).run(buggy().run);
    let failure = campaign.failures.into_iter().next().unwrap();
    let shrunk = shrink(&failure.case, buggy().run, |_| {}).unwrap();
    shrunk.case
}

#[test]
fn the_tutorial_shows_what_its_commands_print() {
    let folder = Folder::new();
    let case = failing_case();
    let header = Header {
        scenario: case.scenario.clone(),
        config: case.config.clone(),
        layers: Layers::ALL,
        ..Header::default()
    };
    let writer = TraceWriter::create(folder.at("t.retake"), &header).unwrap();
    let sim = case.sim().record(Layers::ALL);
    assert!(!sim.trace(writer).run(buggy().run).passed());
    let mut asked = 0;
    for (command, shown) in blocks() {
        if let Some(questions) = command.strip_prefix("retake debug ") {
            let questions = questions.replace("$trace", "t.retake");
            let printed = folder.run(format!("debug {questions} --width 80"));
            assert_eq!(printed.out.trim_end(), shown, "{command}");
            asked += 1;
        }
    }
    assert!(asked >= 2, "the tutorial asks no more");
}

#[test]
fn the_tutorial_shows_the_story_of_its_red_test() {
    let story = explain(&failing_case(), buggy().run).to_text(120);
    let (_, shown) = blocks()[0];
    assert!(shown.contains(&story), "{story}\nis not in\n{shown}");
}
