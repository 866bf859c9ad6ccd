//! Traces whose checksums are right and that say what no run could have recorded: every
//! command refuses them, or makes of them what it can, and none panics or hangs.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Stdio};

use retake_traces::record::{Choice, FaultKind, Record, StepKind};
use retake_traces::{Header, Sink, TraceReader, TraceWriter};
use tempfile::TempDir;

/// Commands that read a trace, `X`.
const COMMANDS: [&str; 19] = [
    "verify X",
    "show X",
    "show X --from 3 --to 5 --json",
    "diff X good.retake",
    "diff good.retake X --json",
    "diff X good.retake --strict",
    "export X --format perfetto --from 2",
    "export X --format mermaid",
    "export X --format shiviz",
    "export X --format otlp",
    "export X --format jsonl",
    "replay X",
    "replay X --from-seed",
    "why X",
    "shrink X -o small.json",
    "debug X --at failure --print actors --print why",
    "debug X --at 3 --print step --print causes --print effects",
    "debug X --find pool --break actor=server-1",
    "view X --open-nothing -o page.html",
];

type Forge = fn(&mut Header, &mut Vec<Record>);

/// What is forged of a good trace.
fn forgeries() -> Vec<(&'static str, Forge)> {
    vec![
        ("nothing", |_, _| {}),
        ("no-records", |_, records| records.clear()),
        ("no-end", |_, records| {
            records.pop();
        }),
        ("two-ends", |_, records| {
            records.extend(records.last().cloned());
        }),
        ("no-tasks", |_, records| {
            records.retain(|record| !matches!(record, Record::Task(_)));
        }),
        ("numbers", |_, records| {
            for record in records {
                match record {
                    Record::Step(step) if step.kind == StepKind::Handle => step.task = u32::MAX,
                    Record::Task(task) => task.parent = Some(u32::MAX),
                    Record::Cause(cause) => *cause = u64::MAX,
                    _ => {}
                }
            }
        }),
        ("time", |_, records| {
            for record in records {
                if let Record::Step(step) = record {
                    step.elapsed_ns = u64::MAX / 2;
                }
            }
        }),
        ("order", |_, records| records.reverse()),
        ("choices", |_, records| {
            for record in records {
                if let Record::Step(step) = record {
                    (step.choice, step.kind) = (Choice::Eager, StepKind::Resume);
                }
            }
        }),
        ("texts", |_, records| {
            for record in records {
                match record {
                    Record::Task(task) => task.label = "\u{0}#\n<\"".repeat(99),
                    Record::Detail(text) => *text = String::new(),
                    _ => {}
                }
            }
        }),
        ("faults", |header, records| {
            header.faults = vec!["kill".into(), "delay x @9999999999s".into()];
            records.insert(
                1,
                Record::Fault(retake_traces::record::Fault {
                    elapsed_ns: 7,
                    task: 99,
                    kind: FaultKind::Delay { until_ns: u64::MAX },
                }),
            );
        }),
        ("header", |header, _| {
            header.strategy = "chaos:depth=x".into();
            header.horizon_ns = 0;
            header.step_limit = 0;
        }),
        ("scenario", |header, _| {
            header.scenario = "zoo/../raft".into();
        }),
        ("live", |header, _| {
            header.strategy = "live".into();
        }),
    ]
}

#[test]
fn no_command_panics_or_hangs_on_a_forged_trace() {
    let folder = TempDir::new().unwrap();
    let retake = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_retake"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let run = "run zoo/raft/buggy --seed 2 --states --step-limit 5000 --trace good.retake";
    retake(&run.split(' ').collect::<Vec<_>>());
    let reader = TraceReader::open(folder.path().join("good.retake")).unwrap();
    let header = reader.header().clone();
    let records: Vec<Record> = reader.map(Result::unwrap).collect();
    for (name, forge) in forgeries() {
        let (mut header, mut records) = (header.clone(), records.clone());
        forge(&mut header, &mut records);
        write(&folder.path().join(name), &header, &records);
        for command in COMMANDS {
            let arguments: Vec<&str> = command
                .split(' ')
                .map(|word| if word == "X" { name } else { word })
                .collect();
            let output = retake(&arguments);
            let code = output.status.code();
            let (out, err) = (
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            // 101 is a panic; without a code it was a signal.
            assert!(
                matches!(code, Some(0..=3)),
                "{arguments:?}: {code:?}\n{out}{err}"
            );
            assert!(!err.contains("panicked at"), "{arguments:?}: {err}");
            assert_eq!(
                err.starts_with("error: "),
                code >= Some(2),
                "{arguments:?}: {err}"
            );
            if name == "nothing" {
                assert!(code < Some(2), "{arguments:?}: {err}");
            }
        }
    }
}

fn write(path: &Path, header: &Header, records: &[Record]) {
    let mut writer = TraceWriter::create(path, header).unwrap();
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap();
}
