//! Whole events: what several records say of one moment.

use retake_testkit::Folder;
use retake_testkit::traces::runs::{detail, end, event, state, step, task};
use retake_traces::event::{Occurrence, WholeEvent, events};
use retake_traces::live::{Live, StepEnd};
use retake_traces::record::{
    ActorEnd, Child, ChildNews, EndKind, Panic, Record, StepKind, TaskKind, UnhandledMessage,
};
use retake_traces::{Header, Sink, TraceReader, TraceWriter};

/// A supervisor, and a child that handles a message and is killed.
fn run() -> Vec<Record> {
    vec![
        task(0, TaskKind::Actor, "root", None),
        task(1, TaskKind::Actor, "child", Some(0)),
        step(0, 5, StepKind::Handle),
        step(1, 5, StepKind::Handle),
        detail("Work(1)"),
        Record::Cause(1),
        state(1, "idle", false),
        event("working"),
        Record::Ended(ActorEnd {
            task: 1,
            how: EndKind::Killed,
        }),
        Record::Cause(1),
        step(0, 5, StepKind::Supervision),
        detail("ActorFailed(child)"),
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
        detail("src/a.rs:1"),
        Record::Unhandled(UnhandledMessage {
            task: 1,
            sent: 1,
            text: "Work(2)".to_owned(),
        }),
        state(0, "no child", true),
        end("passed", 3, 15),
    ]
}

/// A folder with the trace `a.retake`, in blocks of about this size.
fn written(records: &[Record], block: usize) -> (Folder, TraceReader) {
    let folder = Folder::new();
    let path = folder.at("a.retake");
    let writer = TraceWriter::create(&path, &Header::default()).unwrap();
    let mut writer = writer.with_block_target(block);
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap();
    (folder, TraceReader::open(&path).unwrap())
}

fn whole(records: &[Record]) -> Vec<WholeEvent> {
    events(records).collect()
}

#[test]
fn a_step_is_whole_with_its_text_cause_child_and_state() {
    let whole = whole(&run());
    assert_eq!(whole.len(), 11);
    let handled = &whole[3];
    assert_eq!((handled.step, handled.now_ns), (2, 10));
    assert_eq!(handled.task, Some(1));
    assert_eq!((&*handled.who, handled.cause), ("child", Some(1)));
    assert_eq!(handled.what(), "handles Work(1)");
    assert_eq!(handled.state.as_deref(), Some("idle"));
    // Without a text a message has its number.
    assert_eq!(whole[2].what(), "handles message 1");
    let supervises = &whole[6];
    assert_eq!(supervises.kind(), Some(StepKind::Supervision));
    assert_eq!(supervises.child.unwrap().task, 1);
    assert_eq!(supervises.state.as_deref(), Some("one child"));
}

#[test]
fn what_is_no_step_has_its_task_its_place_and_its_cause() {
    let whole = whole(&run());
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
    for block in [1, 20, 100, 10_000] {
        let (_folder, reader) = written(&run(), block);
        let read: Result<Vec<_>, _> = reader.events().collect();
        assert_eq!(read.unwrap(), whole(&run()), "blocks of {block}");
    }
}

#[test]
fn events_around_a_step_have_the_labels_and_times_of_the_whole() {
    let records = run();
    let whole = whole(&records);
    for step in 0..=3 {
        let (_folder, reader) = written(&records, 1);
        let (position, around) = reader.events_around(step).unwrap();
        let around: Vec<WholeEvent> = around.collect::<Result<_, _>>().unwrap();
        assert!(position.steps < step.max(1));
        assert!(around.len() <= whole.len());
        // Of the event before, a block may have the rest: that is no event.
        assert_eq!(around, whole[whole.len() - around.len()..]);
        let is_it = |event: &WholeEvent| event.step == step.max(1) && event.is_step();
        assert!(around.iter().any(is_it));
    }
}

#[test]
fn what_comes_before_damage_is_whole_and_comes_before_the_error() {
    let (folder, _) = written(&run(), 1);
    let mut bytes = folder.bytes("a.retake");
    let text = b"ActorFailed(child)";
    let place = bytes.windows(text.len()).position(|it| it == text).unwrap();
    bytes[place] ^= 1;
    let damaged = folder.write("damaged", bytes);
    let found: Vec<_> = TraceReader::open(damaged).unwrap().events().collect();
    let (error, good) = found.split_last().unwrap();
    assert!(error.as_ref().unwrap_err().is_damage());
    let good: Vec<u64> = good.iter().map(|it| it.as_ref().unwrap().step).collect();
    assert_eq!(good, [0, 0, 1, 2, 2, 2, 3]);
}

#[test]
fn a_state_of_another_task_and_a_second_one_belong_to_no_step() {
    let records = [
        task(0, TaskKind::Actor, "a", None),
        step(0, 5, StepKind::Handle),
        state(7, "other", false),
        state(0, "first", false),
        state(0, "second", false),
    ];
    let whole = whole(&records);
    assert_eq!(whole[1].state.as_deref(), Some("first"));
    // Nothing began: these belong to what came before the part that is read.
    let rest = [state(0, "x", false), Record::Cause(1), detail("")];
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
