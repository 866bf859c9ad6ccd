//! The end of every actor is in the story, with how and by which step, and supervisors hear
//! of their children with a cause.
#![allow(
    clippy::disallowed_methods,
    reason = "ractor's own timers are under test"
)]

use retake_inspect::Line;
use retake_inspect::story::lines;
use retake_sim::{Fault, Sim};
use retake_testkit::{MS, Order, child, recorded, servant};
use retake_traces::event::Occurrence;
use retake_traces::record::StepKind;

fn story<F: Future<Output = ()> + Send + 'static>(sim: Sim, scenario: fn() -> F) -> Vec<Line> {
    let (run, sink) = recorded(sim.story(true).causality(true), scenario);
    assert!(run.passed(), "{run}");
    lines(&sink.records())
}

/// Who has ended how, and by a step of whom.
fn ends(lines: &[Line]) -> Vec<(String, String, Option<String>)> {
    let by = |step: u64| {
        let is_it = |line: &&Line| line.step == step && line.is_step();
        Some(lines.iter().find(is_it)?.who.to_string())
    };
    let ends = lines.iter().filter_map(|line| match &line.occurrence {
        Occurrence::Ended(it) => Some((&line.who, &it.how, line.cause.and_then(by))),
        _ => None,
    });
    ends.map(|(who, how, by)| (who.to_string(), how.to_string(), by))
        .collect()
}

fn end(who: &str, how: &str, by: Option<&str>) -> (String, String, Option<String>) {
    (who.to_owned(), how.to_owned(), by.map(str::to_owned))
}

#[test]
fn a_kill_and_a_stop_of_idle_actors_are_told_with_the_step_that_did_it() {
    let lines = story(Sim::new(), || async {
        let (killed, stopped) = (servant("killed").await, servant("stopped").await);
        retake::sleep(MS).await;
        killed.kill();
        retake::sleep(MS).await;
        stopped.stop(None);
        retake::sleep(MS).await;
    });
    assert_eq!(ends(&lines), [end("killed", "killed", Some("scenario"))]);
    // Its own `post_stop` tells.
    let stops = |line: &Line| &*line.who == "stopped" && line.what() == "stops";
    assert!(lines.iter().any(stops));
}

#[test]
fn children_that_end_with_their_supervisor_say_so() {
    let lines = story(Sim::new(), || async {
        let parent = servant("parent").await;
        child("one", &parent).await;
        child("other", &parent).await;
        retake::sleep(MS).await;
        parent.kill();
        retake::sleep(MS).await;
    });
    let mut ends = ends(&lines);
    ends.sort();
    let with_parent = "killed with its supervisor parent";
    let expected = [
        ("one", with_parent),
        ("other", with_parent),
        ("parent", "killed"),
    ];
    let expected = expected.map(|(who, how)| end(who, how, Some("scenario")));
    assert_eq!(ends, expected);
}

#[test]
fn a_fault_ends_an_actor_and_a_panic_is_an_end() {
    let lines = story(
        Sim::new().fault(Fault::kill("victim").at(5 * MS)),
        || async {
            let parent = servant("parent").await;
            let panics = child("panics", &parent).await;
            child("victim", &parent).await;
            panics.cast(Order::Panic("no more")).unwrap();
            retake::sleep(10 * MS).await;
        },
    );
    assert_eq!(ends(&lines), [end("victim", "killed", None)]);
    let panics = |line: &Line| &*line.who == "panics" && line.what().starts_with("PANIC at ");
    assert!(lines.iter().any(panics));
}

#[test]
fn a_busy_supervisor_hears_of_its_children_with_a_cause() {
    let lines = story(Sim::new(), || async {
        let parent = servant("parent").await;
        let child = child("child", &parent).await;
        retake::sleep(MS).await;
        // Busy until the child has long ended.
        parent.cast(Order::Sleep(5 * MS)).unwrap();
        retake::sleep(MS).await;
        child.kill();
        retake::sleep(10 * MS).await;
    });
    let heard: Vec<&Line> = lines
        .iter()
        .filter(|line| line.kind() == Some(StepKind::Supervision))
        .collect();
    assert_eq!(heard.len(), 2, "it starts and ends");
    for line in heard {
        assert!(line.cause.is_some(), "{}", line.to_text(0));
    }
}

#[test]
fn a_message_of_a_ractor_timer_has_the_step_that_set_the_timer_for_its_cause() {
    let lines = story(Sim::new(), || async {
        let servant = servant("servant").await;
        tokio::task::yield_now().await;
        servant.send_after(5 * MS, || Order::Note(7));
        retake::sleep(10 * MS).await;
    });
    let sets = lines
        .iter()
        .filter(|line| &*line.who == "scenario" && line.is_step())
        .nth(1)
        .unwrap();
    let handles = lines
        .iter()
        .find(|line| line.what() == "handles Note(7)")
        .unwrap();
    assert_eq!(handles.cause, Some(sets.step));
}
