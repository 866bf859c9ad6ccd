//! `retake view`: what is in the page, what is refused, and who may see it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use retake_cli::view::{Limits, Page, Part, Source, ViewError};
use retake_traces::record::{
    Choice, End, Event, OutcomeKind, Panic, Record, State, Step, StepKind, Task, TaskKind,
};
use retake_traces::{Header, Layers, RunConfig, Sink as _, TraceWriter};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{retake, told};

/// What must never be markup.
const EVIL: &str =
    "</script><script>alert(1)</script><!-- retake data --><img src=x onerror=alert(1)>";

/// Exit code, standard output, standard error.
fn run(folder: &Path, arguments: &str) -> (i32, String, String) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = retake(folder, &arguments);
    told(output)
}

fn step(task: u32, kind: StepKind, elapsed_ns: u64) -> Record {
    Record::Step(Step {
        elapsed_ns,
        task,
        kind,
        message: 7,
        choice: Choice::Deviation,
    })
}

fn task(id: u32, kind: TaskKind, label: &str) -> Record {
    Record::Task(Task {
        id,
        kind,
        label: label.into(),
        parent: id.checked_sub(1),
    })
}

fn end(steps: u64, now_ns: u64) -> Record {
    Record::End(End {
        outcome: OutcomeKind::Panicked,
        detail: EVIL.to_owned(),
        steps,
        now_ns,
    })
}

fn write(path: &Path, records: &[Record]) {
    let header = Header {
        scenario: EVIL.to_owned(),
        config: RunConfig {
            seed: u64::MAX,
            ..RunConfig::default()
        },
        layers: Layers::ALL,
        ..Header::default()
    };
    let mut writer = TraceWriter::create(path, &header).unwrap();
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap();
}

/// A trace of which every text is hostile.
fn evil(path: &Path) {
    let records = [
        task(0, TaskKind::Scenario, EVIL),
        step(0, StepKind::Task, 0),
        task(1, TaskKind::Actor, "ledger é𝄞"),
        step(1, StepKind::Handle, 5_000_000_001),
        Record::Detail(format!("Append({EVIL})")),
        Record::Cause(1),
        Record::State(State {
            task: 1,
            text: "[]".to_owned(),
            at_end: false,
        }),
        Record::Event(Event::log(EVIL)),
        Record::Panic(Panic {
            task: 1,
            message: EVIL.to_owned(),
        }),
        Record::State(State {
            task: 1,
            text: EVIL.to_owned(),
            at_end: true,
        }),
        end(2, 5_000_000_001),
    ];
    write(path, &records);
}

/// A trace of so many steps.
fn long(path: &Path, steps: u64) {
    let mut records = vec![
        task(0, TaskKind::Scenario, "scenario"),
        task(1, TaskKind::Actor, "ledger"),
    ];
    for number in 1..=steps {
        records.push(step(1, StepKind::Handle, 10));
        records.push(Record::Detail(format!("Append({number})")));
    }
    records.push(end(steps, steps * 10));
    write(path, &records);
}

fn html(sources: &[Source], part: Part) -> String {
    let page = Page::load(sources, part, Limits::PAGE).unwrap();
    let mut bytes = Vec::new();
    page.write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// One block of data of a page, unpacked.
fn block(html: &str, id: &str) -> Option<Vec<u8>> {
    let start = format!("<script type=\"application/octet-stream\" id=\"{id}\">");
    let (_, rest) = html.split_once(&start)?;
    let (letters, _) = rest.split_once("</script>")?;
    let packed = base64::engine::general_purpose::STANDARD
        .decode(letters)
        .unwrap();
    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(&packed[..])
        .read_to_end(&mut bytes)
        .unwrap();
    Some(bytes)
}

/// The description, and the columns as lists of numbers.
struct Columns {
    description: Value,
    bytes: Vec<u8>,
}

impl Columns {
    fn of(html: &str, id: &str) -> Self {
        let bytes = block(html, id).expect("no such block");
        assert_eq!(&bytes[..8], b"RTKVIEW1");
        let length = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        let description = serde_json::from_slice(&bytes[12..12 + length]).unwrap();
        Self {
            description,
            bytes: bytes[12 + length..].to_vec(),
        }
    }

    fn raw(&self, name: &str) -> (usize, &[u8]) {
        let mut place = 0;
        for column in self.description["columns"].as_array().unwrap() {
            let width = column["width"].as_u64().unwrap() as usize;
            let size = width * column["length"].as_u64().unwrap() as usize;
            if column["name"] == name {
                return (width, &self.bytes[place..place + size]);
            }
            place += size.next_multiple_of(4);
        }
        panic!("no column {name}");
    }

    fn numbers(&self, name: &str) -> Vec<u32> {
        let (width, bytes) = self.raw(name);
        bytes
            .chunks(width)
            .map(|number| {
                let mut all = [0; 4];
                all[..width].copy_from_slice(number);
                u32::from_le_bytes(all)
            })
            .collect()
    }

    /// The texts, by the lengths that a browser counts.
    fn texts(&self) -> Vec<String> {
        let block: Vec<u16> = std::str::from_utf8(self.raw("text_block").1)
            .unwrap()
            .encode_utf16()
            .collect();
        let mut place = 0;
        let text = |length: u32| {
            place += length as usize;
            String::from_utf16(&block[place - length as usize..place]).unwrap()
        };
        self.numbers("text_length").into_iter().map(text).collect()
    }
}

const NONE: u32 = u32::MAX;

#[test]
fn no_text_of_a_trace_becomes_markup() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("<img src=x>.retake");
    evil(&path);
    let page = html(&[Source::new(&path)], Part::ALL);
    assert!(!page.contains("alert(1)") && !page.contains("<img"));
    // One element more than the template has: the block of data.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    let columns = Columns::of(&page, "trace-0");
    assert!(columns.texts().contains(&EVIL.to_owned()));
    assert_eq!(columns.description["about"]["name"], "<img src=x>.retake");
}

#[test]
fn a_page_has_every_event_of_its_trace() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.retake");
    evil(&path);
    let columns = Columns::of(&html(&[Source::new(&path)], Part::ALL), "trace-0");
    assert_eq!(columns.numbers("kind"), [7, 5, 7, 2, 10, 9, 11]);
    assert_eq!(columns.numbers("task"), [0, 0, 1, 1, 1, 1, NONE]);
    assert_eq!(columns.numbers("cause"), [0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(columns.numbers("elapsed_s"), [0, 0, 0, 5, 0, 0, 0]);
    assert_eq!(columns.numbers("elapsed_ns"), [0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(columns.numbers("choice"), [0, 1, 0, 1, 0, 0, 0]);
    assert_eq!(columns.numbers("message"), [0, 7, 0, 7, 0, 0, 0]);
    assert_eq!(columns.numbers("task_parent"), [NONE, 0]);
    assert_eq!(columns.numbers("state_row"), [3, NONE]);
    let texts = columns.texts();
    let told = |name: &str, at: usize| &*texts[columns.numbers(name)[at] as usize];
    assert_eq!(told("task_label", 1), "ledger é𝄞");
    assert_eq!(told("text", 3), format!("Append({EVIL})"));
    assert_eq!(told("text", 6), format!("panicked after 2 steps: {EVIL}"));
    assert_eq!(told("state_text", 0), "[]");
    assert_eq!(columns.description["about"]["seed"], u64::MAX.to_string());
}

#[test]
fn a_part_knows_its_tasks_and_its_time() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("long.retake");
    // Several blocks, so that a jump passes over some.
    long(&path, 20_000);
    let part = Part {
        from: 15_001,
        to: 15_003,
    };
    let columns = Columns::of(&html(&[Source::new(&path)], part), "trace-0");
    assert_eq!(columns.numbers("kind"), [2, 2, 2]);
    assert_eq!(columns.description["first_step"], 15_000);
    assert_eq!(columns.description["first_ns"], 150_000);
    let texts = columns.texts();
    let first = columns.numbers("text")[0] as usize;
    assert_eq!(texts[first], "Append(15001)");
    assert_eq!(texts[columns.numbers("task_label")[1] as usize], "ledger");
    // How it ended is shown all the same.
    assert_eq!(columns.description["about"]["outcome"], "panicked");
    assert_eq!(columns.description["about"]["steps"], 20_000);
}

#[test]
fn too_much_is_refused_with_a_part_that_fits() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("long.retake");
    long(&path, 1000);
    let load = |limits, part| Page::load(&[Source::new(&path)], part, limits);
    let events = Limits {
        events: 100,
        ..Limits::PAGE
    };
    let error = load(events, Part::ALL).unwrap_err();
    assert!(matches!(error, ViewError::TooLarge { .. }), "{error}");
    let text = error.to_string();
    for said in [
        "long.retake",
        "1000 steps",
        "at most 100 events",
        "--from 1 --to 98",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    // The part that it names does fit.
    let part = Part { from: 1, to: 98 };
    assert_eq!(load(events, part).unwrap().events(), 100);
    let text = Limits {
        text: 500,
        ..Limits::PAGE
    };
    assert!(matches!(
        load(text, Part::ALL),
        Err(ViewError::TooLarge { .. })
    ));
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    long(&path.join("a.retake"), 50);
    std::fs::write(path.join("other.txt"), "no trace").unwrap();
    std::fs::write(path.join("other.json"), "{\"no\": \"case\"}").unwrap();
    let mut bytes = std::fs::read(path.join("a.retake")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path.join("bad.retake"), &bytes).unwrap();
    // With nothing of its only block, and without the mark at the end.
    std::fs::write(path.join("cut.retake"), &bytes[..middle]).unwrap();
    bytes[middle] ^= 1;
    std::fs::write(path.join("end.retake"), &bytes[..bytes.len() - 1]).unwrap();
    for (arguments, code, expected) in [
        ("view", 2, "<FILE>"),
        ("view nosuch.retake", 3, "cannot open `nosuch.retake`"),
        ("view other.txt", 3, "is not a Retake trace"),
        ("view other.json", 3, "is no saved case"),
        ("view bad.retake", 3, "is damaged"),
        ("view cut.retake", 3, "ends after byte"),
        ("view a.retake end.retake", 3, "ends after byte"),
        ("view a.retake other.txt", 3, "is not a Retake trace"),
        (
            "view a.retake --from 9 --to 8",
            2,
            "--from 9 is after --to 8",
        ),
        (
            "view a.retake --from 51",
            2,
            "has no step 51: it ends after step 50",
        ),
        (
            "view a.retake --serve 0.0.0.0:0",
            2,
            "others could read it there",
        ),
        (
            "view a.retake -o nosuch/a.html",
            3,
            "there is no folder `nosuch`",
        ),
    ] {
        let (status, out, err) = run(path, arguments);
        assert_eq!(status, code, "{arguments}: {out}{err}");
        assert!(err.contains(expected), "{arguments}: {err}");
    }
    let left: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("html"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_left_of_a_trace_is_shown_and_exits_with_3() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    long(&path.join("a.retake"), 20_000);
    let bytes = std::fs::read(path.join("a.retake")).unwrap();
    let half = bytes.len() / 2;
    let mut flipped = bytes.clone();
    flipped[half] ^= 1;
    let whole = Columns::of(
        &html(&[Source::new(&path.join("a.retake"))], Part::ALL),
        "trace-0",
    );
    let files = [
        ("cut.retake", &bytes[..half], "ends after byte"),
        ("flipped.retake", &flipped, "is damaged at byte"),
    ];
    for (name, bytes, expected) in files {
        std::fs::write(path.join(name), bytes).unwrap();
        let (code, out, err) = run(path, &format!("view {name} -o page.html --open-nothing"));
        assert_eq!(code, 3, "{out}{err}");
        assert!(
            err.starts_with("error: ") && err.contains(expected),
            "{err}"
        );
        let page = std::fs::read_to_string(path.join("page.html")).unwrap();
        let columns = Columns::of(&page, "trace-0");
        let kinds = columns.numbers("kind");
        assert!((5_000..15_000).contains(&kinds.len()), "{}", kinds.len());
        assert_eq!(kinds, whole.numbers("kind")[..kinds.len()]);
        let note = columns.description["about"]["notes"][0].as_str().unwrap();
        // But for the two tasks, every event is a step.
        let said = format!("the trace is cut short after step {}: `", kinds.len() - 2);
        assert!(note.starts_with(&said) && note.contains(expected), "{note}");
        // A part that is good is as it was.
        let (code, _, err) = run(path, &format!("view {name} --to 900 --open-nothing"));
        assert_eq!((code, &*err), (0, ""), "{name}");
    }
    // What a killed process has left is found by the name that it would have got.
    std::fs::rename(path.join("cut.retake"), path.join("killed.retake.partial")).unwrap();
    let (code, out, err) = run(path, "view killed.retake --to 900 --open-nothing");
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert!(path.join("killed.html").exists());
}

#[test]
fn two_runs_stand_side_by_side_with_where_they_part() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for seed in ["3", "4"] {
        let traced = format!("run zoo/raft/buggy --seed {seed} --trace {seed}.retake");
        run(path, &traced);
    }
    let (code, out, err) = run(path, "view 3.retake 4.retake -o both.html --open-nothing");
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert!(out.starts_with("both.html: "), "{out}");
    let page = std::fs::read_to_string(path.join("both.html")).unwrap();
    for (id, seed) in [("trace-0", "3"), ("trace-1", "4")] {
        assert_eq!(Columns::of(&page, id).description["about"]["seed"], seed);
    }
    let comparison: Value = serde_json::from_slice(&block(&page, "comparison").unwrap()).unwrap();
    assert_eq!(comparison["parts"], true);
    assert_eq!(comparison["same_steps"], 1);
    assert_eq!(comparison["header"][0]["field"], "seed");
    let (_, _, _) = run(path, "view 3.retake 3.retake -o same.html");
    let page = std::fs::read_to_string(path.join("same.html")).unwrap();
    let comparison: Value = serde_json::from_slice(&block(&page, "comparison").unwrap()).unwrap();
    assert_eq!(comparison["parts"], false);
}

#[test]
fn a_saved_case_is_run_again_with_texts_causes_and_states() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(
        path,
        "run zoo/pool_timeout/buggy --seed 3 --trace a.retake --schedule-only",
    );
    let (code, out, err) = run(path, "shrink a.retake -o case.json");
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = run(path, "view case.json --open-nothing");
    assert_eq!((code, &*err), (0, ""), "{out}");
    let page = std::fs::read_to_string(path.join("case.html")).unwrap();
    let columns = Columns::of(&page, "trace-0");
    let about = &columns.description["about"];
    assert_eq!(about["name"], "case.json");
    assert_eq!(about["outcome"], "violated");
    assert_eq!(about["notes"], serde_json::json!([]));
    assert!(columns.numbers("cause").iter().any(|back| *back > 0));
    assert!(!columns.numbers("state_row").is_empty());
    assert!(
        columns
            .texts()
            .iter()
            .any(|text| text.starts_with("Checkout("))
    );
    // The trace itself has none of these, and the page says so.
    run(path, "view a.retake");
    let page = std::fs::read_to_string(path.join("a.html")).unwrap();
    let notes = &Columns::of(&page, "trace-0").description["about"]["notes"];
    assert!(
        notes[0].as_str().unwrap().contains("without texts"),
        "{notes}"
    );
}

#[test]
fn the_same_trace_gives_the_same_page() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.retake");
    long(&path, 3000);
    let page = || html(&[Source::new(&path)], Part::ALL);
    assert_eq!(page(), page());
}

/// The answer to a request for the page by this name.
fn ask(address: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
#[test]
fn a_served_page_is_for_this_machine_alone_and_ends_when_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    long(&path.join("a.retake"), 50);
    let mut server = Command::new(env!("CARGO_BIN_EXE_retake"))
        .args(["view", "a.retake", "--serve", "--open-nothing"])
        .current_dir(path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let (_, rest) = line.split_once("http://").expect(&line);
    let (address, _) = rest.split_once('/').unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let answer = ask(address, address);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for header in ["text/html; charset=utf-8", "no-store", "nosniff"] {
        assert!(answer.contains(header), "{header}");
    }
    assert!(answer.contains("id=\"trace-0\""));
    assert!(ask(address, "localhost:1").starts_with("HTTP/1.1 200"));
    for other in ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1"] {
        let answer = ask(address, other);
        assert!(answer.starts_with("HTTP/1.1 421"), "{other}: {answer}");
        assert!(!answer.contains("trace-0"));
    }
    let told = Command::new("kill")
        .args(["-TERM", &server.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
    // No file was written.
    assert!(!path.join("a.html").exists());
}
