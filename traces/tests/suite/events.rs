//! Whole events: what several records say of one moment.

use retake_traces::event::{Occurrence, WholeEvent, events};
use retake_traces::live::{Live, StepEnd};
use retake_traces::record::{
    Child, ChildNews, Choice, End, EndKind, Ended, Event, OutcomeKind, Panic, Record, State, Step,
    StepKind, Task, TaskKind, Unhandled,
};
use retake_traces::{Header, Sink, TraceReader, TraceWriter};
use tempfile::TempDir;

fn task(id: u32, label: &str, parent: Option<u32>) -> Record {
    Record::Task(Task {
        id,
        kind: TaskKind::Actor,
        label: label.into(),
        parent,
    })
}

fn step(task: u32, kind: StepKind) -> Record {
    Record::Step(Step {
        elapsed_ns: 5,
        task,
        kind,
        message: 3,
        choice: Choice::Fifo,
    })
}

fn state(task: u32, text: &str, at_end: bool) -> Record {
    Record::State(State {
        task,
        text: text.to_owned(),
        at_end,
    })
}

fn end(steps: u64) -> Record {
    Record::End(End {
        outcome: OutcomeKind::Passed,
        detail: String::new(),
        steps,
        now_ns: 5 * steps,
    })
}

/// A supervisor, and a child that handles a message and is killed.
fn run() -> Vec<Record> {
    vec![
        task(0, "root", None),
        task(1, "child", Some(0)),
        step(0, StepKind::Handle),
        step(1, StepKind::Handle),
        Record::Detail("Work(1)".to_owned()),
        Record::Cause(1),
        state(1, "idle", false),
        Record::Event(Event::log("working")),
        Record::Ended(Ended {
            task: 1,
            how: EndKind::Killed,
        }),
        Record::Cause(1),
        step(0, StepKind::Supervision),
        Record::Detail("ActorFailed(child)".to_owned()),
        Record::Child(Child {
            task: 1,
            news: ChildNews::Failed,
        }),
        Record::Cause(2),
        state(0, "one child", false),
        Record::Panic(Panic {
            task: 0,
            message: "no".to_owned(),
        }),
        Record::Detail("src/a.rs:1".to_owned()),
        Record::Unhandled(Unhandled {
            task: 1,
            sent: 1,
            text: "Work(2)".to_owned(),
        }),
        state(0, "no child", true),
        end(3),
    ]
}

fn written(records: &[Record], block: usize) -> (TempDir, TraceReader) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.retake");
    let writer = TraceWriter::create(&path, &Header::default()).unwrap();
    let mut writer = writer.with_block_target(block);
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap();
    (folder, TraceReader::open(&path).unwrap())
}

fn read(reader: TraceReader) -> Vec<WholeEvent> {
    reader.events().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_step_is_whole_with_its_text_cause_child_and_state() {
    let whole: Vec<WholeEvent> = events(&run()).collect();
    assert_eq!(whole.len(), 11);
    let handled = &whole[3];
    assert_eq!(
        (handled.step, handled.now_ns, handled.task),
        (2, 10, Some(1))
    );
    assert_eq!((&*handled.who, handled.cause), ("child", Some(1)));
    assert_eq!(handled.what(), "handles Work(1)");
    assert_eq!(handled.state.as_deref(), Some("idle"));
    // Without a text a message has its number.
    assert_eq!(whole[2].what(), "handles message 3");
    let supervises = &whole[6];
    assert_eq!(supervises.kind(), Some(StepKind::Supervision));
    assert_eq!(supervises.child.unwrap().task, 1);
    assert_eq!(supervises.state.as_deref(), Some("one child"));
}

#[test]
fn what_is_no_step_has_its_task_its_place_and_its_cause() {
    let whole: Vec<WholeEvent> = events(&run()).collect();
    assert_eq!(whole[1].what(), "new actor, by root");
    let logged = &whole[4];
    assert_eq!((&*logged.who, logged.what()), ("child", "| working".into()));
    assert_eq!(whole[5].what(), "ENDS: killed");
    assert_eq!((whole[5].cause, whole[5].step), (Some(1), 2));
    assert_eq!(whole[7].what(), "PANIC at src/a.rs:1: no");
    assert_eq!(whole[8].earlier_cause(), Some(1));
    assert!(matches!(whole[8].occurrence, Occurrence::Unhandled(_)));
    assert_eq!(whole[9].what(), "state: no child");
    assert!(!whole[9].has_line());
}

#[test]
fn events_of_a_file_are_those_of_its_records_however_blocks_divide_them() {
    let records = &run();
    let expected: Vec<WholeEvent> = events(records).collect();
    for block in [1, 20, 100, 10_000] {
        let (_folder, reader) = written(records, block);
        assert_eq!(read(reader), expected, "blocks of {block}");
    }
}

#[test]
fn events_around_a_step_have_the_labels_and_times_of_the_whole() {
    let records = run();
    let whole: Vec<WholeEvent> = events(&records).collect();
    for step in 0..=3 {
        let (_folder, reader) = written(&records, 1);
        let (position, around) = reader.events_around(step).unwrap();
        let around: Vec<WholeEvent> = around.collect::<Result<_, _>>().unwrap();
        assert!(position.steps < step.max(1));
        assert!(around.len() <= whole.len());
        // Of the event before, a block may have the rest: that is no event.
        assert_eq!(around, whole[whole.len() - around.len()..]);
        assert!(
            around
                .iter()
                .any(|event| event.step == step.max(1) && event.is_step())
        );
    }
}

#[test]
fn what_comes_before_damage_is_whole_and_comes_before_the_error() {
    let records = run();
    let (folder, _) = written(&records, 1);
    let path = folder.path().join("a.retake");
    let bytes = std::fs::read(&path).unwrap();
    let text = b"ActorFailed(child)";
    let place = bytes.windows(text.len()).position(|it| it == text).unwrap();
    let mut damaged = bytes.clone();
    damaged[place] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let found: Vec<_> = TraceReader::open(&path).unwrap().events().collect();
    let (error, good) = found.split_last().unwrap();
    assert!(error.as_ref().unwrap_err().is_damage());
    let good: Vec<u64> = good.iter().map(|it| it.as_ref().unwrap().step).collect();
    assert_eq!(good, [0, 0, 1, 2, 2, 2, 3]);
}

#[test]
fn a_state_of_another_task_and_a_second_one_belong_to_no_step() {
    let records = [
        task(0, "a", None),
        step(0, StepKind::Handle),
        state(7, "other", false),
        state(0, "first", false),
        state(0, "second", false),
    ];
    let whole: Vec<WholeEvent> = events(&records).collect();
    assert_eq!(whole[1].state.as_deref(), Some("first"));
    // Nothing began: these belong to what came before the part that is read.
    let rest = [
        state(0, "x", false),
        Record::Cause(1),
        Record::Detail(String::new()),
    ];
    assert_eq!(events(&rest).count(), 0);
}

#[test]
fn of_a_live_recording_only_what_a_reader_wants_to_know_has_a_line() {
    let live = |live: Live| Record::Live(Box::new(live));
    let records = [
        live(Live::End(StepEnd::Returned)),
        live(Live::End(StepEnd::Failed("no".to_owned()))),
        live(Live::Took { task: 1 }),
        live(Live::Gap("the disk is full".to_owned())),
    ];
    let lines = events(&records).filter(WholeEvent::has_line);
    let lines: Vec<String> = lines.map(|event| event.what()).collect();
    assert_eq!(lines, ["| failed: no", "GAP: the disk is full"]);
}
