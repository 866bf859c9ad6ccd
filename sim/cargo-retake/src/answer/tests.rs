//! What events become.

use super::*;
use retake_core::step::StepKind;
use retake_inspect::story;
use retake_sim::Outcome;
use retake_traces::Layers;
use retake_traces::record::Record;
use retake_traces::sink::MemorySink;

pub(crate) fn task(serial: u32, kind: child::TaskKind, type_name: &str) -> Event {
    Event::Task {
        serial,
        kind,
        parent: serial.checked_sub(1),
        type_name: type_name.to_owned(),
        file: "src/lib.rs".to_owned(),
        line: 7,
        name: String::new(),
    }
}

pub(crate) fn step(task: u32, kind: StepKind) -> Event {
    Event::Step {
        task,
        elapsed_ns: 1000,
        kind,
        deviates: task == 3,
    }
}

pub(crate) fn panic(task: u32, message: &str) -> Event {
    Event::Panic {
        task,
        message: message.to_owned(),
        file: "src/lib.rs".to_owned(),
        line: 9,
        column: 5,
    }
}

/// The harness, a test, and two tasks of one name that it has spawned.
fn beginning() -> Vec<Event> {
    let work = "shop::tests::it_works::{{closure}}::{{closure}}";
    vec![
        Event::Hello {
            tokio: "1.47.0".to_owned(),
        },
        task(0, child::TaskKind::Thread, ""),
        task(1, child::TaskKind::Thread, ""),
        Event::Runtime {
            multi_thread: false,
        },
        Event::Main {
            task: 1,
            type_name: "core::pin::Pin<&mut dyn core::future::Future>".to_owned(),
            file: String::new(),
            line: 0,
        },
        step(1, StepKind::Task),
        task(2, child::TaskKind::Task, work),
        task(3, child::TaskKind::Task, work),
    ]
}

/// What may go wrong in these runs.
fn faults() -> Vec<Fault> {
    let texts = [
        "kill it_works:7 @step 3",
        "buggify @step 1",
        "clock +5s @step 1",
    ];
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(crate) fn read(more: &[Event]) -> (Answer, MemorySink) {
    let events = [beginning(), more.to_vec()].concat();
    let mut sink = MemorySink::new();
    let records = sink.clone();
    let layers = Layers {
        states: true,
        ..Layers::STORY
    };
    let mut recorder = Recorder::new(layers, &mut sink);
    let answer = Answer::read(&events, "tests::it_works", &faults(), &mut recorder);
    assert!(recorder.end(&Outcome::Passed, &answer.stats).is_none());
    (answer, records)
}

#[test]
fn events_become_the_story_of_a_trace() {
    let (answer, records) = read(&[
        step(3, StepKind::Task),
        Event::Cause { step: 1 },
        step(2, StepKind::Resume),
        Event::Message {
            type_name: "alloc::vec::Vec<shop::Order>".to_owned(),
        },
        Event::Cause { step: 2 },
        panic(2, "sold out"),
    ]);
    assert_eq!(answer.tokio.as_deref(), Some("1.47.0"));
    assert_eq!((answer.stats.steps, answer.stats.deviations), (3, 1));
    let lines = story::lines(&records.records());
    let lines: Vec<String> = lines.iter().map(|line| line.to_text(0)).collect();
    let expected = [
        "0.000000000 main                   new task",
        "0.000000000 it_works               new scenario, by main",
        "1     0.000001000 it_works               begins",
        "0.000001000 it_works:7             new task, by it_works",
        "0.000001000 it_works:7#2           new task, by it_works:7",
        "2*    0.000002000 it_works:7#2           begins <- 1",
        "3     0.000003000 it_works:7             handles Vec<Order> <- 2",
        "0.000003000 it_works:7             PANIC at src/lib.rs:9:5: sold out",
        "0.000003000                        END: passed after 3 steps",
    ];
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn injected_faults_are_in_the_story_before_a_step_or_in_it() {
    let fault = |place, task, name: &str| Event::Fault {
        task,
        elapsed_ns: 500,
        place,
        name: name.to_owned(),
    };
    let (answer, records) = read(&[
        fault(1, 0, ""),
        step(2, StepKind::Task),
        fault(1, 2, "till: gives up"),
        Event::Cause { step: 1 },
        fault(2, 0, ""),
        fault(0, 3, ""),
        // A damaged number names no fault.
        fault(7, 3, ""),
        step(3, StepKind::Task),
    ]);
    assert_eq!(answer.stats.faults, 4);
    assert_eq!(answer.injected, BTreeSet::from([0, 1, 2]));
    let lines = story::lines(&records.records());
    let lines: Vec<String> = lines.iter().map(|line| line.to_text(0)).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).skip(5).collect();
    let expected = [
        "0.000001500                        FAULT: marked places misbehave now and then",
        "2     0.000002500 it_works:7             begins <- 1",
        "0.000003000 it_works:7             FAULT: misbehaves at till: gives up",
        "0.000003500                        FAULT: the wall clock is off by +5.000000000 s",
        "0.000004000 it_works:7#2           FAULT: killed",
        "3*    0.000005000 it_works:7#2           begins",
        "0.000005000                        END: passed after 3 steps",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn actors_with_gates_have_their_names_messages_and_states_in_the_story() {
    let text = |kind, text: &str| Event::Text {
        kind,
        task: 2,
        text: text.to_owned(),
    };
    let message = Event::Message {
        type_name: "ractor::message::BoxedMessage".to_owned(),
    };
    let (answer, records) = read(&[
        step(2, StepKind::Task),
        message.clone(),
        text(TextKind::Name, "till"),
        text(
            TextKind::Message,
            "Pay(RpcReplyPort { port: Sender { inner: None } })",
        ),
        text(TextKind::State, "Till { sum: 3 }"),
        text(TextKind::Line, "paid at 0x7f00aabbccdd"),
        step(2, StepKind::Resume),
        message,
        text(TextKind::State, "Till { sum: 3 }"),
        Event::Ended {
            outcome: OutcomeKind::Violated,
            text: "the sum is 4".to_owned(),
        },
    ]);
    let lines = story::lines(&records.records());
    let lines: Vec<String> = lines.iter().map(|line| line.to_text(0)).collect();
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).skip(3).collect();
    let expected = [
        "0.000001000 till                   new task, by it_works",
        "0.000001000 it_works:7             new task, by till",
        "2     0.000002000 till                   handles Pay(reply)",
        "0.000002000 till                   | paid at 0x_",
        "3     0.000003000 till                   handles BoxedMessage",
        "0.000003000                        END: passed after 3 steps",
    ];
    assert_eq!(lines, expected);
    // It is there once: it has not changed.
    let records = records.records();
    let states = records.iter().filter_map(|record| match record {
        Record::State(state) => Some((state.task, &*state.text)),
        _ => None,
    });
    assert_eq!(states.collect::<Vec<_>>(), [(2, "Till { sum: 3 }")]);
    let outcome = answer.outcome(&crate::process::Exit::Code(70), "");
    assert_eq!(outcome.to_string(), "violated: till: the sum is 4");
}

#[test]
fn a_damaged_number_of_a_task_reserves_no_memory() {
    let (answer, records) = read(&[task(
        u32::MAX,
        child::TaskKind::Task,
        "shop::run::{{closure}}",
    )]);
    assert!(records.records().len() < 20);
    assert_eq!(answer.label(u32::MAX), format!("task {}", u32::MAX));
}
