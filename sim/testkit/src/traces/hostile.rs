//! Everything that reads a trace, on files that may say anything.
//!
//! Used by the fuzz target (`traces/fuzz`) and by a test that repeats its corpus. An input
//! is four bytes of options and then either records, which are written as a file whose
//! checksums and sums are right, or the bytes of a file, whose checksums are made right:
//! what is sought lies behind them.

use std::fmt;
use std::path::{Path, PathBuf};

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use retake_inspect::export::{ExportError, Format, Selection, export};
use retake_inspect::timeline::Direction;
use retake_inspect::{Line, Timeline, causal_diff, diff};
use retake_traces::Label;
use retake_traces::fault::kinds::{self, Delay, Kill};
use retake_traces::live::{Live, Piece, Start, StepEnd};
use retake_traces::record::{
    ActorEnd, Child, ChildNews, Choice, End, EndKind, Event, EventKind, Injection, OutcomeKind,
    Panic, Record, State, Step, StepKind, Task, TaskKind, UnhandledMessage,
};
use retake_traces::{Header, Schedule, Sink, Strategy, TraceReader, TraceWriter, verify};

/// Records of an input that are used.
const RECORDS_MAX: usize = 4_000;
const OPTIONS: usize = 4;

type Config = Configuration<LittleEndian, Varint, Limit<65_536>>;

fn config() -> Config {
    bincode::config::standard().with_limit::<65_536>()
}

/// The inputs that fuzzing has found worth keeping, by name.
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../traces/fuzz/corpus");
    let files = std::fs::read_dir(folder.join(target)).unwrap();
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        (name, std::fs::read(file.path()).unwrap())
    };
    let mut inputs: Vec<_> = files.map(read).collect();
    inputs.sort();
    inputs
}

/// An input that encodes these records.
pub fn input_of(header: &Header, records: &[Record]) -> Vec<u8> {
    let mut input = vec![0, 2, 9, 1];
    let mut add = |bytes: Result<Vec<u8>, _>| input.extend(bytes.unwrap_or_default());
    add(bincode::encode_to_vec(header, bincode::config::standard()));
    for record in records {
        add(bincode::encode_to_vec(record, bincode::config::standard()));
    }
    input
}

/// An input that encodes the bytes of a file.
pub fn input_of_file(bytes: &[u8]) -> Vec<u8> {
    [&[1, 2, 9, 1], bytes].concat()
}

/// The records that an input encodes, if it encodes records.
fn records_of(input: &[u8]) -> Option<(Header, Vec<Record>)> {
    let mut rest = input.get(OPTIONS..).filter(|_| input[0] & 1 == 0)?;
    let (header, used) = bincode::decode_from_slice(rest, config()).ok()?;
    rest = &rest[used..];
    let mut records = Vec::new();
    while records.len() < RECORDS_MAX
        && let Ok((record, used)) = bincode::decode_from_slice(rest, config())
    {
        records.push(record);
        rest = &rest[used..];
    }
    Some((header, records))
}

/// Recompute every checksum of a file, so that a reader gets past them.
pub fn repair(bytes: &mut [u8]) {
    const HEAD: usize = 9;
    const TRAILER: usize = 20;
    if bytes.len() < 8 {
        return;
    }
    bytes[..6].copy_from_slice(b"RETAKE");
    bytes[6..8].copy_from_slice(&retake_traces::VERSION.to_le_bytes());
    let end = bytes.len().saturating_sub(TRAILER);
    let (mut place, mut last) = (8, 8);
    while place + HEAD <= end {
        let mut length = [0; 4];
        length.copy_from_slice(&bytes[place + 1..place + 5]);
        let room = end - place - HEAD;
        // A frame that is too long is the last one.
        let length = (u32::from_le_bytes(length) as usize).min(room);
        bytes[place + 1..place + 5].copy_from_slice(&(length as u32).to_le_bytes());
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes[place..place + 5]);
        hasher.update(&bytes[place + HEAD..place + HEAD + length]);
        bytes[place + 5..place + HEAD].copy_from_slice(&hasher.finalize().to_le_bytes());
        last = place;
        place += HEAD + length;
    }
    if bytes.len() >= 8 + TRAILER {
        let offset = (last as u64).to_le_bytes();
        bytes[end..end + 8].copy_from_slice(&offset);
        bytes[end + 8..end + 12].copy_from_slice(&crc32fast::hash(&offset).to_le_bytes());
        bytes[end + 12..].copy_from_slice(b"RETAKEND");
    }
}

/// A file to compare with.
pub fn good_file(folder: &Path) -> PathBuf {
    let path = folder.join("good.retake");
    let header = super::runs::header();
    write_file(&path, &header, &super::runs::shop());
    path
}

fn write_file(path: &Path, header: &Header, records: &[Record]) {
    let mut writer = TraceWriter::create(path, header).expect("a folder to write to");
    for record in records {
        writer.record(record).expect("room to write");
    }
    writer.finish().expect("room to write");
}

/// Write the file that an input encodes.
pub fn write_input(input: &[u8], path: &Path) -> bool {
    if input.len() < OPTIONS {
        return false;
    }
    if let Some((header, records)) = records_of(input) {
        write_file(path, &header, &records);
        return true;
    }
    let mut bytes = input[OPTIONS..].to_vec();
    if input[0] & 2 == 0 {
        repair(&mut bytes);
    }
    std::fs::write(path, bytes).expect("room to write");
    true
}

/// Let everything read the file that an input encodes. Panics on a finding.
pub fn drive(input: &[u8], folder: &Path, good: &Path) {
    let path = folder.join("input.retake");
    if !write_input(input, &path) {
        return;
    }
    let [_, a, b, c] = [input[0], input[1], input[2], input[3]].map(u64::from);
    let checked = verify(&path);
    read(&path, &[0, 1, a, b << 8 | c, u64::MAX], checked.is_ok());
    let selections = [
        Selection::default(),
        Selection {
            from: a.min(b),
            to: a.max(b),
            actors: if c % 2 == 0 {
                vec!["pool".to_owned()]
            } else {
                Vec::new()
            },
        },
    ];
    for selection in &selections {
        for format in Format::ALL {
            let mut out = Vec::new();
            match export(&path, selection, &mut *format.exporter(), &mut out) {
                Ok(()) => check_export(format, &out),
                Err(error @ ExportError::Trace(_)) => {
                    assert!(checked.is_err(), "{format:?}: {error}");
                }
                Err(ExportError::TooLarge(_)) => assert_eq!(format, Format::Mermaid),
                Err(ExportError::Output(error)) => panic!("{error}"),
            }
        }
    }
    compare(&path, good, checked.is_ok());
    go_through(&path, &[0, 1, a, b, c, u64::MAX], checked.is_ok());
}

fn shown(what: &impl fmt::Display) {
    assert!(!what.to_string().is_empty());
}

fn read(path: &Path, steps: &[u64], is_good: bool) {
    match TraceReader::open(path) {
        Err(error) => shown(&error),
        Ok(reader) => {
            for event in reader.events() {
                match event {
                    Ok(event) => {
                        let line = Line::from(event);
                        assert!(line.to_text(80).chars().count() <= 110);
                        let _ = line.is_about("pool");
                        serde_json::to_string(&line).expect("a line is JSON");
                    }
                    Err(error) => {
                        assert!(!is_good, "{error}");
                        shown(&error);
                    }
                }
            }
        }
    }
    if let Ok(reader) = TraceReader::open(path)
        && let Ok(schedule) = Schedule::read(reader)
    {
        for step in steps {
            let _ = schedule.get(*step);
            let _ = schedule.next_picked(*step);
        }
    }
    for step in steps {
        let Ok(reader) = TraceReader::open(path) else {
            return;
        };
        match reader.events_around(*step) {
            Err(error) => assert!(!is_good, "{error}"),
            Ok((_, events)) => {
                for event in events.take(100) {
                    assert!(event.is_ok() || !is_good);
                }
            }
        }
    }
}

fn check_export(format: Format, out: &[u8]) {
    let text = std::str::from_utf8(out).expect("exports are UTF-8");
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    match format {
        Format::Perfetto => assert!(is_json(text), "{text}"),
        Format::Otlp | Format::Jsonl => assert!(text.lines().all(is_json), "{text}"),
        // Two lines an event, after two.
        Format::Shiviz => assert!(text.matches('\n').count().is_multiple_of(2), "{text}"),
        Format::Mermaid => {
            let is_known = |line: &str| {
                line == "sequenceDiagram"
                    || ["  participant p", "  Note over p", "  p"]
                        .iter()
                        .any(|start| line.starts_with(start))
            };
            assert!(text.lines().all(is_known), "{text}");
        }
    }
}

fn compare(path: &Path, good: &Path, is_good: bool) {
    let same = causal_diff(path, path);
    assert_eq!(same.is_ok(), is_good || same.is_ok());
    if let Ok(same) = same {
        assert!(same.is_same(), "{same}");
    }
    let there = causal_diff(good, path);
    let back = causal_diff(path, good);
    if is_good {
        let (there, back) = (there.expect("both are good"), back.expect("both are good"));
        assert_eq!(there.verdict, back.verdict);
        assert_eq!(there.alone, (back.alone.1, back.alone.0));
        shown(&there);
        serde_json::to_string(&back).expect("a difference is JSON");
    }
    if let Ok(diff) = diff(good, path)
        && let Some(divergence) = diff.divergence
    {
        shown(&divergence.to_text(80));
    }
}

fn go_through(path: &Path, steps: &[u64], is_good: bool) {
    let mut timeline = match Timeline::open(path) {
        Ok(timeline) => timeline,
        Err(error) => return shown(&error),
    };
    assert!(is_good || timeline.damage().is_some());
    let tasks = timeline.tasks().len() as u32;
    let _ = timeline.failure_step();
    for step in steps {
        let mut done = || -> Result<(), retake_traces::TraceError> {
            timeline.step(*step)?;
            timeline.world(*step)?;
            for task in [0, 1, tasks, u32::MAX] {
                timeline.mailbox(task, *step, 10)?;
                timeline.state(task, *step)?;
                timeline.find_step_of(task, *step, Direction::Forward)?;
                timeline.find_step_of(task, *step, Direction::Backward)?;
            }
            timeline.causes(*step, 10)?;
            timeline.effects(*step)?;
            timeline.lines(*step, step.saturating_add(5))?;
            timeline.step_at(*step)?;
            timeline.find(*step, Direction::Backward, |line| {
                line.step.is_multiple_of(3)
            })?;
            timeline.find(*step, Direction::Forward, |line| {
                line.step.is_multiple_of(3)
            })?;
            Ok(())
        };
        done().expect("a file that could be read once can be read again");
    }
}

/// Numbers from a seed (`SplitMix64`).
#[derive(Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit.max(1) as u64) as usize
    }
}

/// Change an input: records as records, bytes as bytes.
pub fn mutate(input: &mut Vec<u8>, numbers: &mut Numbers) {
    if input.len() > OPTIONS && numbers.below(8) == 0 {
        let place = numbers.below(OPTIONS);
        input[place] = numbers.draw() as u8;
        return;
    }
    let Some((mut header, mut records)) = records_of(input).filter(|_| numbers.below(16) > 0)
    else {
        return mutate_bytes(input, numbers);
    };
    for _ in 0..=numbers.below(3) {
        mutate_records(&mut header, &mut records, numbers);
    }
    let options: [u8; OPTIONS] = [input[0], input[1], input[2], input[3]];
    *input = input_of(&header, &records);
    input[..OPTIONS].copy_from_slice(&options);
}

/// [`mutate`] as libFuzzer wants it, in turns with its own way.
pub fn change(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    other: impl FnOnce(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mut numbers = Numbers(u64::from(seed));
    if numbers.below(4) == 0 {
        return other(data, size, max_size);
    }
    let mut input = data[..size].to_vec();
    mutate(&mut input, &mut numbers);
    let size = input.len().min(max_size);
    data[..size].copy_from_slice(&input[..size]);
    size
}

fn mutate_bytes(input: &mut Vec<u8>, numbers: &mut Numbers) {
    if input.is_empty() {
        input.push(numbers.draw() as u8);
    }
    let place = numbers.below(input.len());
    match numbers.below(5) {
        0 => input[place] = numbers.draw() as u8,
        1 => input[place] ^= 1 << numbers.below(8),
        2 => input.insert(place, numbers.draw() as u8),
        3 => {
            input.remove(place);
        }
        _ => {
            let number = unusual(numbers).to_le_bytes();
            let length = number.len().min(input.len() - place);
            input[place..place + length].copy_from_slice(&number[..length]);
        }
    }
}

/// A number that is often at the edge of something.
fn unusual(numbers: &mut Numbers) -> u64 {
    const EDGES: [u64; 12] = [
        0,
        1,
        2,
        255,
        65_535,
        i32::MAX as u64,
        u32::MAX as u64,
        1 << 32,
        1 << 40,
        i64::MAX as u64,
        u64::MAX - 1,
        u64::MAX,
    ];
    match numbers.below(3) {
        0 => EDGES[numbers.below(EDGES.len())],
        1 => numbers.draw() % 20,
        _ => numbers.draw(),
    }
}

fn text(numbers: &mut Numbers) -> String {
    const TEXTS: [&str; 10] = [
        "",
        "pool",
        "pool#2",
        "a b",
        "\n",
        "\u{0}\u{7f}\u{2028}",
        "<b>;#:%@end",
        "\"\\{}",
        "CheckOut { n: 1 }",
        "ünïcödé 🚀",
    ];
    let text = TEXTS[numbers.below(TEXTS.len())];
    if numbers.below(40) == 0 {
        text.repeat(7_000)
    } else {
        text.to_owned()
    }
}

/// A time after which others still have room, most of the time.
fn elapsed(numbers: &mut Numbers) -> u64 {
    if numbers.below(50) == 0 {
        unusual(numbers)
    } else {
        numbers.draw() % 5_000
    }
}

fn any_event(numbers: &mut Numbers) -> Event {
    Event {
        kind: [EventKind::Log, EventKind::Failed, EventKind::Violated][numbers.below(3)],
        text: text(numbers),
    }
}

fn any_label(numbers: &mut Numbers) -> Label {
    Label::new(text(numbers), unusual(numbers) as u32)
}

fn any_end(numbers: &mut Numbers) -> EndKind {
    match numbers.below(3) {
        0 => EndKind::Killed,
        1 => EndKind::NotStarted,
        _ => EndKind::KilledWith(any_label(numbers)),
    }
}

fn any_record(numbers: &mut Numbers) -> Record {
    let task = numbers.below(5) as u32;
    match numbers.below(17) {
        0..4 => Record::Step(Step {
            elapsed_ns: elapsed(numbers),
            task,
            kind: [
                StepKind::Handle,
                StepKind::Resume,
                StepKind::Supervision,
                StepKind::Task,
                StepKind::PostStart,
                StepKind::PostStop,
                StepKind::PreStart,
            ][numbers.below(7)],
            message: numbers.below(4) as u16,
            choice: [Choice::Fifo, Choice::Deviation, Choice::Eager][numbers.below(3)],
        }),
        4 => Record::Cause(numbers.draw() % 40),
        5 => Record::Cause(unusual(numbers)),
        6 => Record::Detail(text(numbers)),
        7 => Record::Event(any_event(numbers)),
        8 => Record::Task(Task {
            id: task,
            kind: [TaskKind::Actor, TaskKind::Task, TaskKind::Scenario][numbers.below(3)],
            label: any_label(numbers),
            parent: (numbers.below(2) == 0).then(|| numbers.below(5) as u32),
        }),
        9 => Record::Fault(Injection {
            elapsed_ns: elapsed(numbers),
            task: unusual(numbers) as u32,
            action: match numbers.below(4) {
                0 => Kill { awaiting: false }.into(),
                1 => kinds::Panic::default().into(),
                2 => kinds::Point {
                    place: text(numbers),
                }
                .into(),
                _ => Delay {
                    until_ns: unusual(numbers),
                }
                .into(),
            },
        }),
        10 => Record::State(State {
            task,
            text: text(numbers),
            at_end: numbers.below(2) == 0,
        }),
        11 | 12 => Record::Live(Box::new(any_live(numbers))),
        13 => Record::Unhandled(UnhandledMessage {
            task,
            sent: numbers.draw() % 40,
            text: text(numbers),
        }),
        14 => Record::Ended(ActorEnd {
            task,
            how: any_end(numbers),
        }),
        15 => Record::Child(Child {
            task: unusual(numbers) as u32,
            news: [ChildNews::Started, ChildNews::Ended, ChildNews::Failed][numbers.below(3)],
        }),
        _ if numbers.below(2) == 0 => Record::Panic(Panic {
            task,
            message: text(numbers),
        }),
        _ => Record::End(End {
            outcome: any_outcome(numbers),
            detail: text(numbers),
            steps: unusual(numbers),
            now_ns: unusual(numbers),
        }),
    }
}

fn any_outcome(numbers: &mut Numbers) -> OutcomeKind {
    let mut kinds = OutcomeKind::all();
    let place = numbers.below(OutcomeKind::all().count());
    kinds.nth(place).expect("it is below their number")
}

/// What only recordings of live processes say.
fn any_live(numbers: &mut Numbers) -> Live {
    let piece = |numbers: &mut Numbers| Piece {
        name: ["add", "fail", "start", "disk", "may", "sum", "\0more"][numbers.below(7)].to_owned(),
        bytes: unusual(numbers).to_le_bytes()[..numbers.below(9)].to_vec(),
        more: numbers.below(4) == 0,
    };
    match numbers.below(8) {
        0 => Live::Start(Start {
            unix_ns: unusual(numbers),
            origin_ns: unusual(numbers),
            config: text(numbers).into_bytes(),
        }),
        1 => Live::Took {
            task: numbers.below(6) as u32,
        },
        2 => Live::Input(piece(numbers)),
        3 => Live::External(piece(numbers)),
        4 => Live::Output(piece(numbers)),
        5 => Live::Gap(text(numbers)),
        _ => Live::End(match numbers.below(4) {
            0 => StepEnd::Pending,
            1 => StepEnd::Returned,
            2 => StepEnd::Failed(text(numbers)),
            _ => StepEnd::Panicked(text(numbers)),
        }),
    }
}

fn mutate_records(header: &mut Header, records: &mut Vec<Record>, numbers: &mut Numbers) {
    let count = records.len();
    let place = numbers.below(count);
    match numbers.below(14) {
        0..4 => records.insert(place.min(count), any_record(numbers)),
        4 if count > 1 => {
            records.remove(place);
        }
        5 if count > 1 => records.swap(place, numbers.below(count)),
        6 if count > 1 => {
            // A part of the run again.
            let length = numbers.below(30.min(count - place));
            let part = records[place..place + length].to_vec();
            let to = numbers.below(count);
            records.splice(to..to, part);
        }
        7 => {
            header.layers.causality ^= numbers.below(3) == 0;
            header.layers.story ^= numbers.below(3) == 0;
            header.layers.states ^= numbers.below(3) == 0;
            header.config.seed = unusual(numbers);
            header.scenario = text(numbers);
            if numbers.below(3) == 0 {
                let live = numbers.below(2) == 0;
                header.config.strategy = if live {
                    Strategy::Live
                } else {
                    Strategy::Random
                };
            }
        }
        8 => records.truncate(place),
        _ => {
            if let Some(record) = records.get_mut(place) {
                mutate_record(record, numbers);
            }
        }
    }
}

fn mutate_record(record: &mut Record, numbers: &mut Numbers) {
    match record {
        Record::Step(step) => match numbers.below(4) {
            0 => step.elapsed_ns = elapsed(numbers),
            1 => step.task = unusual(numbers) as u32,
            2 => step.task = numbers.below(5) as u32,
            _ => {
                let kinds = [StepKind::Handle, StepKind::Resume, StepKind::PostStop];
                step.kind = kinds[numbers.below(3)];
            }
        },
        Record::Task(task) => match numbers.below(3) {
            0 => task.id = unusual(numbers) as u32,
            1 => task.parent = Some(unusual(numbers) as u32),
            _ => task.label = any_label(numbers),
        },
        Record::Fault(fault) => fault.elapsed_ns = elapsed(numbers),
        Record::Panic(panic) => panic.message = text(numbers),
        Record::End(end) => end.steps = unusual(numbers),
        Record::Detail(old) => *old = text(numbers),
        Record::Event(event) => *event = any_event(numbers),
        Record::Child(child) => child.task = unusual(numbers) as u32,
        Record::Cause(cause) => *cause = unusual(numbers),
        Record::State(state) => state.text = text(numbers),
        Record::Ended(ended) => match numbers.below(2) {
            0 => ended.task = unusual(numbers) as u32,
            _ => ended.how = any_end(numbers),
        },
        Record::Unhandled(message) => match numbers.below(3) {
            0 => message.task = unusual(numbers) as u32,
            1 => message.sent = unusual(numbers),
            _ => message.text = text(numbers),
        },
        Record::Live(live) => match &mut **live {
            Live::Start(start) if numbers.below(2) == 0 => start.origin_ns = unusual(numbers),
            Live::Start(start) => start.unix_ns = unusual(numbers),
            Live::Input(piece) | Live::External(piece) | Live::Output(piece)
                if numbers.below(3) > 0 =>
            {
                piece.more = numbers.below(2) == 0;
                piece.bytes.truncate(numbers.below(9));
            }
            live => *live = any_live(numbers),
        },
    }
}
