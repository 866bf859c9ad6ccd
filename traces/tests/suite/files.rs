//! What happens to trace files: written, read, damaged, cut.

use std::path::Path;

use crate::is_refused;
use proptest::prelude::*;
use retake_testkit::Folder;
use retake_testkit::traces::small::{end, header, small, step, task};
use retake_traces::fault::kinds::Delay;
use retake_traces::file::FileError;
use retake_traces::live::{Live, Piece};
use retake_traces::record::{
    Choice, Event, Injection, Panic, Record, State, Step, StepKind, Task, TaskKind,
    UnhandledMessage,
};
use retake_traces::{
    HashSink, Header, Label, MemorySink, Schedule, Sink, Summary, TraceError, TraceReader,
    TraceWriter, VERSION, verify,
};

/// A folder with the trace `a`, and the file's bytes.
fn written(records: &[Record]) -> (Folder, Vec<u8>) {
    let folder = Folder::new();
    folder.write_trace("a", &header(), records);
    let bytes = folder.bytes("a");
    (folder, bytes)
}

fn verified(folder: &Folder, bytes: impl AsRef<[u8]>) -> Result<Summary, TraceError> {
    verify(folder.write("changed", bytes))
}

/// A run of many blocks, with a new task every 150 steps.
fn long() -> Vec<Record> {
    let mut records = Vec::new();
    for i in 0..30_000_u32 {
        if i % 150 == 0 {
            records.push(task(i / 150, &format!("task-{}", i / 150), None));
        }
        records.push(step(i / 150, 1_000, Choice::Fifo));
    }
    records.push(end(30_000, 30_000_000));
    records
}

/// The records that can be read of a file, and what is wrong with the rest.
fn read(path: &Path) -> (Vec<Record>, Option<TraceError>) {
    let mut records = Vec::new();
    let reader = match TraceReader::open(path) {
        Err(error) => return (records, Some(error)),
        Ok(reader) => reader,
    };
    for record in reader {
        match record {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(error)),
        }
    }
    (records, None)
}

#[test]
fn a_flip_of_any_bit_of_any_byte_is_detected() {
    let (folder, mut bytes) = written(&small());
    for place in 0..bytes.len() {
        for bit in 0..8 {
            bytes[place] ^= 1 << bit;
            let damaged = folder.write("changed", &bytes);
            let error = verify(damaged).expect_err(&format!("bit {bit} of byte {place}"));
            assert!(
                !matches!(error, TraceError::File(_)),
                "byte {place}: {error}"
            );
            bytes[place] ^= 1 << bit;
        }
    }
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_blocks_and_then_an_error() {
    let records = long();
    let (folder, bytes) = written(&records);
    let lengths = (0..bytes.len()).step_by(bytes.len() / 23);
    let mut most = 0;
    for length in lengths.chain(bytes.len() - 24..bytes.len()) {
        let (got, error) = read(&folder.write("cut", &bytes[..length]));
        assert_eq!(got, records[..got.len()]);
        let steps = got
            .iter()
            .filter(|it| matches!(it, Record::Step(_)))
            .count();
        match error.expect("an error") {
            TraceError::Truncated {
                good_steps, offset, ..
            } => {
                assert_eq!((good_steps, offset), (steps as u64, length as u64));
            }
            TraceError::NotATrace { .. } => assert_eq!(length, 0),
            other => panic!("{other}"),
        }
        most = most.max(got.len());
    }
    assert_eq!(most, records.len());
}

#[test]
fn what_is_no_trace_or_of_another_version_is_named() {
    let (folder, mut bytes) = written(&small());
    let missing = verify(folder.at("missing"));
    assert!(matches!(
        missing,
        Err(TraceError::File(FileError { doing: "open", .. }))
    ));
    let other = verified(&folder, "hello, world");
    assert!(matches!(other, Err(TraceError::NotATrace { .. })));
    let longer = verified(&folder, [&*bytes, b"\0"].concat());
    is_refused(longer, &["bytes after the end mark"]);
    bytes[6] = 8;
    let versions = format!("version 8; this program reads version {VERSION}");
    is_refused(verified(&folder, bytes), &[&versions]);
}

#[test]
fn a_block_taken_out_is_noticed() {
    let (folder, bytes) = written(&long());
    // Frames: kind, length, checksum, payload; the header is the first.
    let frame_end = |start: usize| {
        start + 9 + u32::from_le_bytes(bytes[start + 1..start + 5].try_into().unwrap()) as usize
    };
    let first = frame_end(8);
    let rest = &bytes[frame_end(first)..];
    let without = verified(&folder, [&bytes[..first], rest].concat());
    is_refused(without, &["a block is missing or out of place"]);
}

#[test]
fn an_unfinished_trace_keeps_its_steps_under_another_name() {
    let folder = Folder::new();
    let mut writer = TraceWriter::create(folder.at("a.retake"), &header()).unwrap();
    for record in &small()[..7] {
        writer.record(record).unwrap();
    }
    drop(writer);
    assert!(!folder.has("a.retake"));
    let (records, error) = read(&folder.at("a.retake.partial"));
    assert_eq!(records, small()[..7]);
    let has_two = matches!(error, Some(TraceError::Truncated { good_steps: 2, .. }));
    assert!(has_two, "{error:?}");
}

#[test]
fn a_jump_lands_before_its_step_and_knows_earlier_tasks() {
    let records = long();
    let (folder, _) = written(&records);
    for target in [0_u64, 1, 2, 9_000, 15_000, 29_999, 30_000] {
        let mut reader = TraceReader::open(folder.at("a")).unwrap();
        let position = reader.seek_to_step(target).unwrap();
        assert!(
            position.steps < target.max(1) && target.saturating_sub(position.steps) < 20_000,
            "{target}"
        );
        let rest: Vec<Record> = reader.map(Result::unwrap).collect();
        assert_eq!(rest, records[records.len() - rest.len()..]);
        let later = rest.iter().filter_map(|record| match record {
            Record::Task(task) => Some(&task.label),
            _ => None,
        });
        let earlier = position.tasks.iter().map(|it| &it.label);
        let known: Vec<&Label> = earlier.chain(later).collect();
        let expected = format!("task-{}", target.max(1).saturating_sub(1) / 150);
        assert!(known.contains(&&Label::new(expected, 1)), "{target}");
    }
}

#[test]
fn all_sinks_agree_on_the_event_hash_and_the_story_does_not_change_it() {
    let (folder, _) = written(&small());
    let (mut hash, mut memory, mut schedule_only) =
        (HashSink::new(), MemorySink::new(), HashSink::new());
    for record in &small() {
        hash.record(record).unwrap();
        memory.record(record).unwrap();
        if record.is_schedule() {
            schedule_only.record(record).unwrap();
        }
    }
    let expected = verify(folder.at("a")).unwrap().event_hash;
    assert_eq!(hash.event_hash(), expected);
    assert_eq!(memory.event_hash(), expected);
    assert_eq!(schedule_only.event_hash(), expected);
    assert_eq!(memory.records(), small());
}

#[test]
fn a_schedule_knows_choices_and_deviations() {
    let schedule = Schedule::read(small().into_iter().map(Ok)).unwrap();
    assert_eq!((schedule.len(), schedule.deviations()), (3, &[(2, 1)][..]));
    let chosen = schedule.get(3).map(|it| (it.task, it.eager));
    assert_eq!(chosen, Some((0, true)));
    assert_eq!((schedule.get(0), schedule.get(4)), (None, None));
    let picked = [1, 2, 3].map(|step| schedule.next_picked(step));
    assert_eq!(picked, [Some(0), Some(1), None]);
}

fn any_step() -> impl Strategy<Value = Record> {
    let choice = vec![Choice::Fifo, Choice::Deviation, Choice::Eager];
    let kind = vec![StepKind::Handle, StepKind::Resume, StepKind::PostStop];
    let (choice, kind) = (prop::sample::select(choice), prop::sample::select(kind));
    let numbers = (0..1_u64 << 40, any::<u32>(), any::<u16>());
    (numbers, kind, choice).prop_map(|((elapsed_ns, task, message), kind, choice)| {
        Record::Step(Step {
            elapsed_ns,
            task,
            kind,
            message,
            choice,
        })
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let task = |(id, label, parent): (u32, String, Option<u32>)| {
        Record::Task(Task {
            id,
            kind: TaskKind::Task,
            label: Label::new(label, id),
            parent,
        })
    };
    let fault = |(elapsed_ns, task, until_ns)| {
        Record::Fault(Injection {
            elapsed_ns,
            task,
            action: Delay { until_ns }.into(),
        })
    };
    let live =
        |(name, bytes, more)| Record::Live(Box::new(Live::External(Piece { name, bytes, more })));
    let state = |(task, text, at_end)| Record::State(State { task, text, at_end });
    let unhandled = |(task, sent, text)| Record::Unhandled(UnhandledMessage { task, sent, text });
    let panic = |(task, message)| Record::Panic(Panic { task, message });
    prop_oneof![
        any_step(),
        any::<(u32, String, Option<u32>)>().prop_map(task),
        any::<String>().prop_map(Record::Detail),
        any::<u64>().prop_map(Record::Cause),
        any::<String>().prop_map(|text| Record::Event(Event::log(text))),
        any::<(String, Vec<u8>, bool)>().prop_map(live),
        any::<(u32, String, bool)>().prop_map(state),
        any::<(u32, u64, String)>().prop_map(unhandled),
        any::<(u32, String)>().prop_map(panic),
        (0..1_u64 << 40, any::<u32>(), any::<u64>()).prop_map(fault),
    ]
}

proptest! {
    #[test]
    fn records_come_back_as_they_were_written(records in prop::collection::vec(any_record(), 0..60)) {
        let (folder, _) = written(&records);
        let (got, error) = read(&folder.at("a"));
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert_eq!(got, records);
    }

    #[test]
    fn garbage_is_refused_without_a_panic(garbage in prop::collection::vec(any::<u8>(), 0..400), keep in 0_usize..200) {
        let (folder, mut bytes) = written(&small());
        bytes.truncate(keep);
        bytes.extend(garbage);
        let path = folder.write("a", bytes);
        prop_assert!(verify(&path).is_err());
        let _ = TraceReader::open(&path).and_then(|mut reader| reader.seek_to_step(2));
    }
}

#[test]
fn a_text_beyond_the_limit_is_cut_and_says_so() {
    let long = Record::Event(Event::log("ä".repeat(1 << 20)));
    let (folder, _) = written(&[long, end(0, 0)]);
    let (records, error) = read(&folder.at("a"));
    assert!(error.is_none());
    let Record::Event(Event { text, .. }) = &records[0] else {
        panic!("{records:?}")
    };
    assert!(text.len() <= 64 << 10 && text.ends_with("… (2097152 bytes)"));
}

#[test]
fn what_was_flushed_is_readable_without_an_end() {
    let folder = Folder::new();
    let mut writer = TraceWriter::create(folder.at("a.retake"), &Header::default()).unwrap();
    for record in &small() {
        writer.record(record).unwrap();
    }
    writer.flush().unwrap();
    // As after a SIGKILL: nothing of the writer's is run any more.
    let copy = folder.write("copy", folder.bytes("a.retake.partial"));
    let (got, error) = read(&copy);
    assert_eq!(got, small());
    let is_cut = matches!(error, Some(TraceError::Truncated { .. }));
    assert!(is_cut, "{error:?}");
}
