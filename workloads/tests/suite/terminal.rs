//! What reaches a terminal: no text of a trace, a case or a file's name does more than be
//! read.

use std::path::Path;

use retake_traces::clean::is_harmful;
use retake_traces::record::{Event, Record};
use retake_traces::{Header, Sink as _, Strategy, TraceReader, TraceWriter};
use tempfile::TempDir;

use crate::command::retake;

/// Colours, a title, a cleared screen, each kind of control character, text from right to
/// left, and a line that pretends to be ours.
const HOSTILE: &str =
    "x\u{1b}[2J\u{1b}]0;t\u{7}\u{8}\r\u{7f}\u{9b}31m\u{90}\u{202e}\u{2066}\u{200f}\nPASS forged";
/// A file's name cannot hold all of it.
const HOSTILE_NAME: &str = "x\u{1b}[2J\u{7f}\u{9b}31m\u{202e}";

/// Commands that read a trace, `X`.
const COMMANDS: [&str; 27] = [
    "verify X",
    "verify X --json",
    "show X",
    "show X --width 40",
    "show X --json",
    "show X --from 9 --to 3",
    "diff X good.retake",
    "diff good.retake X --json",
    "diff X good.retake --strict",
    "diff good.retake X --strict --json",
    "export X --format perfetto",
    "export X --format mermaid --to 40",
    "export X --format shiviz",
    "export X --format otlp",
    "export X --format jsonl",
    "export X --format nothing",
    "replay X",
    "replay X --json",
    "replay X --from-seed",
    "why X",
    "why X --mermaid",
    "shrink X -o small.json",
    "debug X --at failure --print actors --print why --print faults --print step",
    "debug X --at failure --print actors --print why --print faults --json",
    "debug X --at 3 --print causes --print effects --find x --break actor=nobody",
    "debug X --print mailbox --print state",
    "view X --open-nothing -o page.html",
];

/// Commands that read a saved case, `X`.
const CASE_COMMANDS: [&str; 7] = [
    "replay X",
    "replay X --json",
    "why X",
    "shrink X -o small.json",
    "export X --format jsonl",
    "debug X --print why",
    "merge X",
];

fn write(path: &Path, header: &Header, records: &[Record]) {
    let mut writer = TraceWriter::create(path, header).unwrap();
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap();
}

/// Put the text into every text of a trace.
fn forge(header: &mut Header, records: &mut [Record], is_everywhere: bool) {
    for record in records {
        let text = match record {
            Record::Task(task) => {
                task.label.name = format!("{}{HOSTILE}", task.label.name).into();
                continue;
            }
            Record::Panic(panic) => &mut panic.message,
            Record::End(end) => &mut end.detail,
            Record::Detail(text) | Record::Event(Event { text, .. }) => text,
            Record::State(state) => &mut state.text,
            Record::Unhandled(message) => &mut message.text,
            _ => continue,
        };
        text.push_str(HOSTILE);
    }
    header.program.push_str(HOSTILE);
    header
        .versions
        .push((HOSTILE.to_owned(), HOSTILE.to_owned()));
    header.code.push_str(HOSTILE);
    if is_everywhere {
        // With these it is no scenario of ours any more, and cannot be replayed.
        header.scenario.push_str(HOSTILE);
        header.config.strategy = Strategy::Custom(HOSTILE.to_owned());
        header
            .config
            .faults
            .push(retake_traces::fault::Fault::kill(HOSTILE));
    }
}

fn try_all(folder: &Path, commands: &[&str], name: &str) {
    for command in commands {
        let words = command.split(' ');
        let arguments: Vec<&str> = words.map(|it| if it == "X" { name } else { it }).collect();
        let output = retake(folder, &arguments);
        let code = output.status.code();
        assert!(matches!(code, Some(0..=3)), "{command}: {output:?}");
        for bytes in [&output.stdout, &output.stderr] {
            let text = std::str::from_utf8(bytes).unwrap();
            let harmful = text.find(is_harmful);
            assert_eq!(harmful, None, "{command}: {text:?}");
            let forged = text.lines().find(|line| line.starts_with("PASS"));
            assert_eq!(forged, None, "{command}: {text}");
        }
        let is_json = ["--json", "perfetto", "otlp", "jsonl"]
            .iter()
            .any(|it| command.contains(it));
        if is_json && code < Some(2) && !output.stdout.is_empty() {
            let text = String::from_utf8_lossy(&output.stdout);
            let values = serde_json::Deserializer::from_str(&text);
            let values = values.into_iter::<serde_json::Value>();
            let values: Result<Vec<_>, _> = values.collect();
            assert!(!values.unwrap().is_empty(), "{command}");
        }
    }
}

#[test]
fn no_command_passes_on_what_a_terminal_obeys() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let run = "run zoo/raft/buggy --seed 2 --states --step-limit 5000 --trace good.retake";
    retake(path, &run.split(' ').collect::<Vec<_>>());
    let reader = TraceReader::open(path.join("good.retake")).unwrap();
    let header = reader.header().clone();
    let records: Vec<Record> = reader.map(Result::unwrap).collect();
    for is_everywhere in [false, true] {
        let (mut header, mut records) = (header.clone(), records.clone());
        forge(&mut header, &mut records, is_everywhere);
        write(&path.join(HOSTILE_NAME), &header, &records);
        try_all(path, &COMMANDS, HOSTILE_NAME);
    }
    // Cut, so that an error comes after what could be read.
    let bytes = std::fs::read(path.join(HOSTILE_NAME)).unwrap();
    std::fs::write(path.join(HOSTILE_NAME), &bytes[..bytes.len() - 9]).unwrap();
    try_all(path, &COMMANDS, HOSTILE_NAME);

    retake(path, &["shrink", "good.retake", "-o", "case.json"]);
    let text = std::fs::read_to_string(path.join("case.json")).unwrap();
    for field in ["signature", "scenario"] {
        let mut case: serde_json::Value = serde_json::from_str(&text).unwrap();
        case["outcome"] = HOSTILE.into();
        case["code"] = HOSTILE.into();
        let mut changed = case[field].as_str().unwrap().to_owned();
        changed.push_str(HOSTILE);
        case[field] = changed.into();
        std::fs::write(path.join(HOSTILE_NAME), case.to_string()).unwrap();
        try_all(path, &CASE_COMMANDS, HOSTILE_NAME);
    }
    try_all(
        path,
        &["X", "run X", "explore X", "zoo X", "bench X"],
        HOSTILE_NAME,
    );
}
