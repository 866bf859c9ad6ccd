//! What reaches a terminal: no text of a trace, a case or a file's name does more than be
//! read.

use retake_traces::clean::is_harmful;
use retake_traces::record::{Event, Record};
use retake_traces::{Header, Strategy, TraceReader};

use crate::command::Folder;

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

fn try_all(folder: &Folder, commands: &[&str]) {
    for command in commands {
        let outcome = folder.run(command.replace('X', HOSTILE_NAME));
        assert!(matches!(outcome.code, Some(0..=3)), "{outcome}");
        for text in [&outcome.out, &outcome.err] {
            assert_eq!(text.find(is_harmful), None, "{command}: {text:?}");
            let forged = text.lines().find(|line| line.starts_with("PASS"));
            assert_eq!(forged, None, "{outcome}");
        }
        let formats = ["--json", "perfetto", "otlp", "jsonl"];
        let is_json = formats.iter().any(|it| command.contains(it));
        if is_json && outcome.code < Some(2) && !outcome.out.is_empty() {
            let values = serde_json::Deserializer::from_str(&outcome.out);
            let values = values.into_iter::<serde_json::Value>();
            let values: Result<Vec<_>, _> = values.collect();
            assert!(!values.unwrap().is_empty(), "{command}");
        }
    }
}

#[test]
fn no_command_passes_on_what_a_terminal_obeys() {
    let folder = Folder::new();
    folder.run("run zoo/raft/buggy --seed 2 --states --step-limit 5000 --trace good.retake");
    let reader = TraceReader::open(folder.at("good.retake")).unwrap();
    let header = reader.header().clone();
    let records: Vec<Record> = reader.map(Result::unwrap).collect();
    for is_everywhere in [false, true] {
        let (mut header, mut records) = (header.clone(), records.clone());
        forge(&mut header, &mut records, is_everywhere);
        folder.write_trace(HOSTILE_NAME, &header, &records);
        try_all(&folder, &COMMANDS);
    }
    // Cut, so that an error comes after what could be read.
    let bytes = folder.bytes(HOSTILE_NAME);
    folder.write(HOSTILE_NAME, &bytes[..bytes.len() - 9]);
    try_all(&folder, &COMMANDS);

    folder.run("shrink good.retake -o case.json");
    for field in ["signature", "scenario"] {
        let mut case = folder.json("case.json");
        case["outcome"] = HOSTILE.into();
        case["code"] = HOSTILE.into();
        case[field] = format!("{}{HOSTILE}", case[field].as_str().unwrap()).into();
        folder.write(HOSTILE_NAME, case.to_string());
        try_all(&folder, &CASE_COMMANDS);
    }
    try_all(&folder, &["X", "run X", "explore X", "zoo X", "bench X"]);
}
