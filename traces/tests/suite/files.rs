//! What happens to trace files: written, read, damaged, cut.

use std::path::Path;

use proptest::prelude::*;
use retake_testkit::traces::small::{end, header, small, step, task, write};
use retake_traces::Label;
use retake_traces::fault::kinds::Delay;
use retake_traces::file::FileError;
use retake_traces::live::{Live, Piece};
use retake_traces::record::{
    Choice, Event, Injected, Panic, Record, State, Step, StepKind, Task, TaskKind, Unhandled,
};
use retake_traces::{
    HashSink, Header, MemorySink, Schedule, Sink, TraceError, TraceReader, TraceWriter, VERSION,
    verify,
};
use tempfile::TempDir;

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

fn read(path: &Path) -> (Vec<Record>, Option<TraceError>) {
    let mut records = Vec::new();
    match TraceReader::open(path) {
        Err(error) => (records, Some(error)),
        Ok(reader) => {
            for record in reader {
                match record {
                    Ok(record) => records.push(record),
                    Err(error) => return (records, Some(error)),
                }
            }
            (records, None)
        }
    }
}

#[test]
fn a_flip_of_any_bit_of_any_byte_is_detected() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a", &small());
    let bytes = std::fs::read(&path).unwrap();
    let damaged = folder.path().join("damaged");
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut copy = bytes.clone();
            copy[place] ^= 1 << bit;
            std::fs::write(&damaged, copy).unwrap();
            let error = verify(&damaged).expect_err(&format!("bit {bit} of byte {place}"));
            assert!(
                !matches!(error, TraceError::File(_)),
                "byte {place}: {error}"
            );
        }
    }
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_blocks_and_then_an_error() {
    let folder = TempDir::new().unwrap();
    let records = long();
    let path = write(&folder, "a", &records);
    let bytes = std::fs::read(&path).unwrap();
    let cut = folder.path().join("cut");
    let mut lengths: Vec<usize> = (0..bytes.len()).step_by(bytes.len() / 23).collect();
    lengths.extend(bytes.len() - 24..bytes.len());
    let mut most = 0;
    for length in lengths {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        let (got, error) = read(&cut);
        assert_eq!(got, records[..got.len()]);
        let steps = got
            .iter()
            .filter(|record| matches!(record, Record::Step(_)))
            .count() as u64;
        match error.expect("an error") {
            TraceError::Truncated {
                good_steps, offset, ..
            } => {
                assert_eq!((good_steps, offset), (steps, length as u64));
            }
            TraceError::NotATrace { .. } => assert_eq!(length, 0),
            other => panic!("{other}"),
        }
        most = most.max(got.len());
    }
    assert_eq!(most, records.len());
}

#[test]
fn bytes_after_the_end_are_not_accepted() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a", &small());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(0);
    std::fs::write(&path, bytes).unwrap();
    assert!(
        verify(&path)
            .unwrap_err()
            .to_string()
            .contains("bytes after the end mark")
    );
}

#[test]
fn what_is_no_trace_or_of_another_version_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    assert!(matches!(
        verify(&path),
        Err(TraceError::File(FileError { doing: "open", .. }))
    ));
    std::fs::write(&path, "hello, world").unwrap();
    assert!(matches!(verify(&path), Err(TraceError::NotATrace { .. })));
    let path = write(&folder, "b", &small());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[6] = 8;
    std::fs::write(&path, bytes).unwrap();
    let error = verify(&path).unwrap_err().to_string();
    assert!(
        error.contains(&format!("version 8; this program reads version {VERSION}")),
        "{error}"
    );
}

#[test]
fn a_block_taken_out_is_noticed() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a", &long());
    let bytes = std::fs::read(&path).unwrap();
    // Frames: kind, length, checksum, payload; the header is the first.
    let frame_end = |start: usize| {
        start + 9 + u32::from_le_bytes(bytes[start + 1..start + 5].try_into().unwrap()) as usize
    };
    let first = frame_end(8);
    let second = frame_end(first);
    std::fs::write(&path, [&bytes[..first], &bytes[second..]].concat()).unwrap();
    let error = verify(&path).unwrap_err().to_string();
    assert!(
        error.contains("a block is missing or out of place"),
        "{error}"
    );
}

#[test]
fn an_unfinished_trace_keeps_its_steps_under_another_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.retake");
    let mut writer = TraceWriter::create(&path, &header()).unwrap();
    for record in &small()[..7] {
        writer.record(record).unwrap();
    }
    drop(writer);
    assert!(!path.exists());
    let (records, error) = read(&folder.path().join("a.retake.partial"));
    assert_eq!(records, small()[..7]);
    assert!(
        matches!(error, Some(TraceError::Truncated { good_steps: 2, .. })),
        "{error:?}"
    );
}

#[test]
fn a_jump_lands_before_its_step_and_knows_earlier_tasks() {
    let folder = TempDir::new().unwrap();
    let records = long();
    let path = write(&folder, "a", &records);
    for target in [0_u64, 1, 2, 9_000, 15_000, 29_999, 30_000] {
        let mut reader = TraceReader::open(&path).unwrap();
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
        let known: Vec<&Label> = position
            .tasks
            .iter()
            .map(|it| &it.label)
            .chain(later)
            .collect();
        let expected = format!("task-{}", target.max(1).saturating_sub(1) / 150);
        let expected = Label::new(expected, 1);
        assert!(known.contains(&&expected), "{target}");
    }
}

#[test]
fn all_sinks_agree_on_the_event_hash_and_the_story_does_not_change_it() {
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "a", &small());
    let (mut hash, mut memory, mut schedule_only) =
        (HashSink::new(), MemorySink::new(), HashSink::new());
    for record in &small() {
        hash.record(record).unwrap();
        memory.record(record).unwrap();
        if record.is_schedule() {
            schedule_only.record(record).unwrap();
        }
    }
    let expected = verify(&path).unwrap().event_hash;
    assert_eq!(
        [
            hash.event_hash(),
            memory.event_hash(),
            schedule_only.event_hash()
        ],
        [expected; 3]
    );
    assert_eq!(memory.records(), small());
}

#[test]
fn a_schedule_knows_choices_and_deviations() {
    let schedule = Schedule::read(small().into_iter().map(Ok)).unwrap();
    assert_eq!((schedule.len(), schedule.deviations()), (3, &[(2, 1)][..]));
    assert_eq!(
        schedule.get(3).map(|chosen| (chosen.task, chosen.eager)),
        Some((0, true))
    );
    assert_eq!((schedule.get(0), schedule.get(4)), (None, None));
    assert_eq!(
        [1, 2, 3].map(|step| schedule.next_picked(step)),
        [Some(0), Some(1), None]
    );
}

fn any_record() -> impl Strategy<Value = Record> {
    let choice = prop_oneof![
        Just(Choice::Fifo),
        Just(Choice::Deviation),
        Just(Choice::Eager)
    ];
    let kind = prop_oneof![
        Just(StepKind::Handle),
        Just(StepKind::Resume),
        Just(StepKind::PostStop)
    ];
    prop_oneof![
        (0..1_u64 << 40, any::<u32>(), kind, any::<u16>(), choice).prop_map(
            |(elapsed_ns, task, kind, message, choice)| Record::Step(Step {
                elapsed_ns,
                task,
                kind,
                message,
                choice
            })
        ),
        (any::<u32>(), any::<String>(), any::<Option<u32>>()).prop_map(|(id, label, parent)| {
            Record::Task(Task {
                id,
                kind: TaskKind::Task,
                label: Label::new(label, id),
                parent,
            })
        }),
        any::<String>().prop_map(Record::Detail),
        any::<u64>().prop_map(Record::Cause),
        any::<String>().prop_map(|text| Record::Event(Event::log(text))),
        (any::<String>(), any::<Vec<u8>>(), any::<bool>()).prop_map(|(name, bytes, more)| {
            Record::Live(Box::new(Live::External(Piece { name, bytes, more })))
        }),
        (any::<u32>(), any::<String>(), any::<bool>())
            .prop_map(|(task, text, at_end)| Record::State(State { task, text, at_end })),
        (any::<u32>(), any::<u64>(), any::<String>())
            .prop_map(|(task, sent, text)| { Record::Unhandled(Unhandled { task, sent, text }) }),
        (any::<u32>(), any::<String>())
            .prop_map(|(task, message)| Record::Panic(Panic { task, message })),
        (0..1_u64 << 40, any::<u32>(), any::<u64>()).prop_map(|(elapsed_ns, task, until_ns)| {
            Record::Fault(Injected {
                elapsed_ns,
                task,
                action: Delay { until_ns }.into(),
            })
        }),
    ]
}

proptest! {
    #[test]
    fn records_come_back_as_they_were_written(records in prop::collection::vec(any_record(), 0..60)) {
        let folder = TempDir::new().unwrap();
        let path = write(&folder, "a", &records);
        let (got, error) = read(&path);
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert_eq!(got, records);
    }

    #[test]
    fn garbage_is_refused_without_a_panic(garbage in prop::collection::vec(any::<u8>(), 0..400), keep in 0_usize..200) {
        let folder = TempDir::new().unwrap();
        let path = write(&folder, "a", &small());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(keep);
        bytes.extend(garbage);
        std::fs::write(&path, bytes).unwrap();
        prop_assert!(verify(&path).is_err());
        let _ = TraceReader::open(&path).and_then(|mut reader| reader.seek_to_step(2));
    }
}

#[test]
fn a_text_beyond_the_limit_is_cut_and_says_so() {
    let folder = TempDir::new().unwrap();
    let path = write(
        &folder,
        "a",
        &[Record::Event(Event::log("ä".repeat(1 << 20))), end(0, 0)],
    );
    let (records, error) = read(&path);
    assert!(error.is_none());
    let Record::Event(Event { text, .. }) = &records[0] else {
        panic!("{records:?}")
    };
    assert!(text.len() <= 64 << 10 && text.ends_with("… (2097152 bytes)"));
}

#[test]
fn what_was_flushed_is_readable_without_an_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.retake");
    let mut writer = TraceWriter::create(&path, &Header::default()).unwrap();
    let records = small();
    for record in &records {
        writer.record(record).unwrap();
    }
    writer.flush().unwrap();
    // As after a SIGKILL: nothing of the writer's is run any more.
    let copy = folder.path().join("copy");
    std::fs::copy(folder.path().join("a.retake.partial"), &copy).unwrap();
    let (got, error) = read(&copy);
    assert_eq!(got, records);
    assert!(
        matches!(error, Some(TraceError::Truncated { .. })),
        "{error:?}"
    );
}
