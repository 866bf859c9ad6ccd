//! `retake view`: what is in the page, what is refused, and who may see it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use base64::Engine as _;
use retake_cli::view::{Limits, Page, Part, Source, ViewError};
use retake_testkit::traces::runs::{detail, event, state, task};
use retake_traces::record::{Choice, End, OutcomeKind, Panic, Record, Step, StepKind, TaskKind};
use retake_traces::{Header, Layers, RunConfig};
use serde_json::Value;

use crate::command::{Folder, parse};

/// What must never be markup.
const EVIL: &str =
    "</script><script>alert(1)</script><!-- retake data --><img src=x onerror=alert(1)>";

fn step(task: u32, kind: StepKind, elapsed_ns: u64) -> Record {
    Record::Step(Step {
        elapsed_ns,
        task,
        kind,
        message: 7,
        choice: Choice::Deviation,
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

fn write(folder: &Folder, name: &str, records: &[Record]) {
    let header = Header {
        scenario: EVIL.to_owned(),
        config: RunConfig {
            seed: u64::MAX,
            ..RunConfig::default()
        },
        layers: Layers::ALL,
        ..Header::default()
    };
    folder.write_trace(name, &header, records);
}

/// A folder with a trace of which every text is hostile.
fn evil(name: &str) -> Folder {
    let folder = Folder::new();
    let records = [
        task(0, TaskKind::Scenario, EVIL, None),
        step(0, StepKind::Task, 0),
        task(1, TaskKind::Actor, "ledger é𝄞", Some(0)),
        step(1, StepKind::Handle, 5_000_000_001),
        detail(&format!("Append({EVIL})")),
        Record::Cause(1),
        state(1, "[]", false),
        event(EVIL),
        Record::Panic(Panic {
            task: 1,
            message: EVIL.to_owned(),
        }),
        state(1, EVIL, true),
        end(2, 5_000_000_001),
    ];
    write(&folder, name, &records);
    folder
}

/// A folder with the trace `a.retake` of so many steps.
fn long(steps: u64) -> Folder {
    let folder = Folder::new();
    let mut records = vec![
        task(0, TaskKind::Scenario, "scenario", None),
        task(1, TaskKind::Actor, "ledger", Some(0)),
    ];
    for number in 1..=steps {
        records.push(step(1, StepKind::Handle, 10));
        records.push(detail(&format!("Append({number})")));
    }
    records.push(end(steps, steps * 10));
    write(&folder, "a.retake", &records);
    folder
}

fn html(path: &Path, part: Part) -> String {
    let page = Page::load(&[Source::new(path)], part, Limits::PAGE).unwrap();
    let mut bytes = Vec::new();
    page.write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// One block of data of a page, unpacked.
fn block(html: &str, id: &str) -> Option<Vec<u8>> {
    let start = format!("<script type=\"application/octet-stream\" id=\"{id}\">");
    let (_, rest) = html.split_once(&start)?;
    let (letters, _) = rest.split_once("</script>")?;
    let base64 = base64::engine::general_purpose::STANDARD;
    let packed = base64.decode(letters).unwrap();
    let mut unpacked = flate2::read::ZlibDecoder::new(&packed[..]);
    let mut bytes = Vec::new();
    unpacked.read_to_end(&mut bytes).unwrap();
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
        let number = |bytes: &[u8]| {
            let mut all = [0; 4];
            all[..width].copy_from_slice(bytes);
            u32::from_le_bytes(all)
        };
        bytes.chunks(width).map(number).collect()
    }

    /// The texts, by the lengths that a browser counts.
    fn texts(&self) -> Vec<String> {
        let block = std::str::from_utf8(self.raw("text_block").1).unwrap();
        let block: Vec<u16> = block.encode_utf16().collect();
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
    let name = "<img src=x>.retake";
    let page = html(&evil(name).at(name), Part::ALL);
    assert!(!page.contains("alert(1)") && !page.contains("<img"));
    // One element more than the template has: the block of data.
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script>").count(), 2);
    let columns = Columns::of(&page, "trace-0");
    assert!(columns.texts().contains(&EVIL.to_owned()));
    assert_eq!(columns.description["about"]["name"], name);
}

#[test]
fn a_page_has_every_event_of_its_trace() {
    let page = html(&evil("a.retake").at("a.retake"), Part::ALL);
    let columns = Columns::of(&page, "trace-0");
    for (name, numbers) in [
        ("kind", &[7, 5, 7, 2, 10, 9, 11][..]),
        ("task", &[0, 0, 1, 1, 1, 1, NONE]),
        ("cause", &[0, 0, 0, 1, 0, 0, 0]),
        ("elapsed_s", &[0, 0, 0, 5, 0, 0, 0]),
        ("elapsed_ns", &[0, 0, 0, 1, 0, 0, 0]),
        ("choice", &[0, 1, 0, 1, 0, 0, 0]),
        ("message", &[0, 7, 0, 7, 0, 0, 0]),
        ("task_parent", &[NONE, 0]),
        ("state_row", &[3, NONE]),
    ] {
        assert_eq!(columns.numbers(name), numbers, "{name}");
    }
    let texts = columns.texts();
    let text = |name: &str, at: usize| &*texts[columns.numbers(name)[at] as usize];
    assert_eq!(text("task_label", 1), "ledger é𝄞");
    assert_eq!(text("text", 3), format!("Append({EVIL})"));
    assert_eq!(text("text", 6), format!("panicked after 2 steps: {EVIL}"));
    assert_eq!(text("state_text", 0), "[]");
    assert_eq!(columns.description["about"]["seed"], u64::MAX.to_string());
}

#[test]
fn a_part_knows_its_tasks_and_its_time() {
    // Several blocks, so that a jump passes over some.
    let folder = long(20_000);
    let (from, to) = (15_001, 15_003);
    let page = html(&folder.at("a.retake"), Part { from, to });
    let columns = Columns::of(&page, "trace-0");
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
    let folder = long(1000);
    let path = folder.at("a.retake");
    let load = |limits, part| Page::load(&[Source::new(&path)], part, limits);
    let is_too_large = |error: &ViewError| matches!(error, ViewError::TooLarge { .. });
    let mut limits = Limits::PAGE;
    limits.events = 100;
    let error = load(limits, Part::ALL).unwrap_err();
    assert!(is_too_large(&error), "{error}");
    let text = error.to_string();
    for part in [
        "a.retake",
        "1000 steps",
        "at most 100 events",
        "--from 1 --to 98",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The part that it names does fit.
    let part = Part { from: 1, to: 98 };
    assert_eq!(load(limits, part).unwrap().events(), 100);
    let mut limits = Limits::PAGE;
    limits.text = 500;
    assert!(is_too_large(&load(limits, Part::ALL).unwrap_err()));
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let folder = long(50);
    folder.write("other.txt", "no trace");
    folder.write("other.json", "{\"no\": \"case\"}");
    let good = folder.bytes("a.retake");
    let middle = good.len() / 2;
    let mut bad = good.clone();
    bad[middle] ^= 1;
    folder.write("bad.retake", &bad);
    // With nothing of its only block, and without the mark at the end.
    folder.write("cut.retake", &bad[..middle]);
    folder.write("end.retake", &good[..good.len() - 1]);
    folder.refuses(
        2,
        &[
            "view => <FILE>",
            "view a.retake --from 9 --to 8 => --from 9 is after --to 8",
            "view a.retake --from 51 => has no step 51: it ends after step 50",
            "view a.retake --serve 0.0.0.0:0 => others could read it there",
        ],
    );
    folder.refuses(
        3,
        &[
            "view nosuch.retake => cannot open `nosuch.retake`",
            "view other.txt => is not a Retake trace",
            "view other.json => is no saved case",
            "view bad.retake => is damaged",
            "view cut.retake => ends after byte",
            "view a.retake end.retake => ends after byte",
            "view a.retake other.txt => is not a Retake trace",
            "view a.retake -o nosuch/a.html => there is no folder `nosuch`",
        ],
    );
    let names = folder.names();
    assert!(!names.iter().any(|name| name.contains("html")), "{names:?}");
}

#[test]
fn what_is_left_of_a_trace_is_shown_and_exits_with_3() {
    let folder = long(20_000);
    let bytes = folder.bytes("a.retake");
    let half = bytes.len() / 2;
    let mut flipped = bytes.clone();
    flipped[half] ^= 1;
    let whole = Columns::of(&html(&folder.at("a.retake"), Part::ALL), "trace-0");
    let files = [
        ("cut.retake", &bytes[..half], "ends after byte"),
        ("flipped.retake", &flipped, "is damaged at byte"),
    ];
    for (name, bytes, expected) in files {
        folder.write(name, bytes);
        let view = format!("view {name} --open-nothing");
        let shown = folder.run(format!("{view} -o page.html")).ends(3);
        let shown = shown.complains(expected);
        assert!(shown.err.starts_with("error: "), "{shown}");
        let columns = Columns::of(&folder.text("page.html"), "trace-0");
        let kinds = columns.numbers("kind");
        assert!((5_000..15_000).contains(&kinds.len()), "{}", kinds.len());
        assert_eq!(kinds, whole.numbers("kind")[..kinds.len()]);
        let note = columns.description["about"]["notes"][0].as_str().unwrap();
        // But for the two tasks, every event is a step.
        let cut = format!("the trace is cut short after step {}: `", kinds.len() - 2);
        assert!(note.starts_with(&cut) && note.contains(expected), "{note}");
        // A part that is good is as it was.
        folder.run(format!("{view} --to 900")).succeeds();
    }
    // What a killed process has left is found by the name that it would have got.
    std::fs::rename(folder.at("cut.retake"), folder.at("killed.retake.partial")).unwrap();
    let shown = folder.run("view killed.retake --to 900 --open-nothing");
    shown.succeeds();
    assert!(folder.has("killed.html"));
}

#[test]
fn two_runs_stand_side_by_side_with_where_they_part() {
    let folder = Folder::new();
    for seed in [3, 4] {
        let run = format!("run zoo/raft/buggy --seed {seed} --trace {seed}.retake");
        folder.run(run);
    }
    let comparison =
        |page: &str| parse(str::from_utf8(&block(page, "comparison").unwrap()).unwrap());
    let view = folder.run("view 3.retake 4.retake -o both.html --open-nothing");
    view.succeeds().starts("both.html: ");
    let page = folder.text("both.html");
    for (id, seed) in [("trace-0", "3"), ("trace-1", "4")] {
        assert_eq!(Columns::of(&page, id).description["about"]["seed"], seed);
    }
    let found = comparison(&page);
    assert_eq!(found["parts"], true);
    assert_eq!(found["same_steps"], 1);
    assert_eq!(found["header"][0]["field"], "seed");
    folder.run("view 3.retake 3.retake -o same.html");
    assert_eq!(comparison(&folder.text("same.html"))["parts"], false);
}

#[test]
fn a_saved_case_is_run_again_with_texts_causes_and_states() {
    let folder = Folder::new();
    folder.run("run zoo/pool_timeout/buggy --seed 3 --trace a.retake --schedule-only");
    folder.run("shrink a.retake -o case.json").ends(0);
    folder.run("view case.json --open-nothing").succeeds();
    let columns = Columns::of(&folder.text("case.html"), "trace-0");
    let about = &columns.description["about"];
    assert_eq!(about["name"], "case.json");
    assert_eq!(about["outcome"], "violated");
    assert_eq!(about["notes"], serde_json::json!([]));
    assert!(columns.numbers("cause").iter().any(|back| *back > 0));
    assert!(!columns.numbers("state_row").is_empty());
    let texts = columns.texts();
    assert!(texts.iter().any(|text| text.starts_with("Checkout(")));
    // The trace itself has none of these, and the page says so.
    folder.run("view a.retake");
    let columns = Columns::of(&folder.text("a.html"), "trace-0");
    let note = columns.description["about"]["notes"][0].as_str().unwrap();
    assert!(note.contains("without texts"), "{note}");
}

#[test]
fn the_same_trace_gives_the_same_page() {
    let folder = long(3000);
    let page = || html(&folder.at("a.retake"), Part::ALL);
    assert_eq!(page(), page());
}

/// The answer to a request for the page by this name.
fn ask(address: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(unix)]
#[test]
fn a_served_page_is_for_this_machine_alone_and_ends_when_told() {
    let folder = long(50);
    let mut view = folder.command("view a.retake --serve --open-nothing");
    let server = crate::server::Server::of(&mut view);
    let address = server.address.clone();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let answer = ask(&address, &address);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for part in [
        "text/html; charset=utf-8",
        "no-store",
        "nosniff",
        "id=\"trace-0\"",
    ] {
        assert!(answer.contains(part), "{part}");
    }
    assert!(ask(&address, "localhost:1").starts_with("HTTP/1.1 200"));
    for other in ["evil.example", "127.0.0.1.evil.example:80", "10.0.0.1"] {
        let answer = ask(&address, other);
        assert!(answer.starts_with("HTTP/1.1 421"), "{other}: {answer}");
        assert!(!answer.contains("trace-0"));
    }
    server.stop();
    // No file was written.
    assert!(!folder.has("a.html"));
}
