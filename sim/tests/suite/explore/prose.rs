//! Texts are for people: what user code calls its actors and writes into messages and events
//! changes no explanation and no outcome, whatever words of ours it uses.

use std::sync::{Arc, Mutex};

use retake_inspect::Timeline;
use retake_sim::explore::{Explorer, Reason, explain};
use retake_sim::{Outcome, Sim};
use retake_testkit::{MS, actor, child, join, servant};
use retake_traces::clean::one_line;
use retake_traces::{Header, Label, Layers, TraceWriter};

use super::{found, shrunk};

/// Words that stories and outcomes of ours use.
const WORDS: [&str; 9] = [
    "it, normal",
    "failed: it",
    "handles it",
    "violated: messages: it",
    "ActorFailed(it, normal)",
    "killed it",
    "it#2",
    "it\0more",
    "messages",
];

const PLAIN: &str = "plainword";

#[derive(Debug, Clone)]
struct Say(#[allow(dead_code, reason = "shown")] &'static str, u32);

/// Logs the word so often that an explanation has to leave out most of it.
async fn noise(word: &'static str) {
    for _ in 0..60 {
        retake::event!("{word}");
        tokio::task::yield_now().await;
    }
}

/// Two clients of an actor of this name send this word. The order of their messages matters.
async fn race(word: &'static str) {
    let parent = servant("parent").await;
    // More ends than an explanation shows of what is of no importance.
    for number in 0..30 {
        let stops = child(&format!("{word} {number}"), &parent).await;
        stops.stop(Some(word.to_owned()));
    }
    retake::spawn_named("noise", noise(word)).await.unwrap();
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&numbers);
    // Keeps numbers in the order in which they come, and logs a word for each.
    let keeper = actor(word, (), move |_, Say(_, number), ()| {
        retake::event!("{word}");
        kept.lock().unwrap().push(number);
    })
    .await;
    let clients: Vec<_> = (1..=2)
        .map(|number| {
            let keeper = keeper.clone();
            retake::spawn_named("client", async move {
                tokio::task::yield_now().await;
                keeper.cast(Say(word, number)).unwrap();
            })
        })
        .collect();
    join(clients).await;
    retake::sleep(MS).await;
    retake::always!(*numbers.lock().unwrap() == [1, 2], "{word} comes late");
}

/// A text in which the word is the plain one in any form, without columns.
fn plain(text: &str, word: &str) -> String {
    let label = Label::new(word, 1).to_string();
    let debug = format!("{word:?}");
    let forms = [
        label.clone(),
        one_line(&label),
        debug.trim_matches('"').to_owned(),
        word.to_owned(),
        one_line(word),
    ];
    let mut text = text.to_owned();
    for form in forms {
        text = text.replace(&form, PLAIN);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is said of the failure, and how the tasks of its run have ended.
fn said(word: &'static str) -> (Vec<String>, Vec<String>) {
    let scenario = move || race(word);
    let explorer = Explorer::new("race").seeds(0..100);
    let case = shrunk(&found(&explorer, scenario), scenario);
    let why = explain(&case, scenario);
    assert!(matches!(why.reasons[..], [Reason::Ordering(_)]), "{why}");
    let texts = [
        case.outcome.clone(),
        why.sentences().join(" "),
        why.to_text(0),
        format!("{:?}", case.failure),
        format!("{:?}", case.holds()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.retake");
    let header = Header {
        layers: Layers::ALL,
        ..Header::default()
    };
    let writer = TraceWriter::create(&path, &header).unwrap();
    let run = case.run_into(&scenario.into(), writer, true);
    assert_eq!(run.outcome.to_string(), case.outcome);
    let timeline = Timeline::open(&path).unwrap();
    let tasks = timeline.tasks().iter();
    let ends = tasks.map(|life| plain(&format!("{} {:?}", life.label, life.ended), word));
    let texts = texts.iter().map(|text| plain(text, word));
    (texts.collect(), ends.collect())
}

#[test]
fn words_of_ours_in_names_messages_and_events_change_nothing_but_what_is_shown() {
    let expected = said(PLAIN);
    assert!(
        expected.0[1].contains("handles `Say(\"plainword\", 1)`"),
        "{expected:?}"
    );
    for word in WORDS {
        assert_eq!(said(word), expected, "{word}");
    }
}

#[test]
fn a_failed_check_of_an_actor_called_messages_is_no_count_of_messages() {
    let checked = Sim::new().conservation().run(|| async {
        let task = retake::spawn_named("messages", async { retake::always!(false, "late") });
        task.await.unwrap();
    });
    let Outcome::Violated { task, is_count, .. } = &checked.outcome else {
        panic!("{checked}");
    };
    assert_eq!((&**task, *is_count), ("messages", false));
}

#[test]
fn the_first_task_of_a_name_that_ends_in_a_number_is_told_from_the_second_of_another() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let writer = TraceWriter::create(path.path(), &Header::default()).unwrap();
    let run = Sim::new().trace(writer).run(|| async {
        for name in ["a", "a", "a#2"] {
            retake::spawn_named(name, async {}).await.unwrap();
        }
    });
    assert!(run.passed(), "{run}");
    let timeline = Timeline::open(path.path()).unwrap();
    let labels: Vec<&str> = timeline.tasks().iter().map(|it| &*it.label).collect();
    assert_eq!(labels, ["scenario", "a", "a#2", "a#2#1"]);
}
