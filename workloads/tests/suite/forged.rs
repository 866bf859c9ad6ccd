//! Traces whose checksums are right and that say what no run could have recorded: every
//! command refuses them, or makes of them what it can, and none panics or hangs.

use retake_traces::fault::Fault;
use retake_traces::fault::kinds::Delay;
use retake_traces::live::{Live, Piece, StepEnd};
use retake_traces::record::{Choice, Record, Step, StepKind, UnhandledMessage};
use retake_traces::{Header, Strategy, TraceReader};

use crate::command::Folder;
use crate::server::push;

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

fn steps(records: &mut [Record]) -> impl Iterator<Item = &mut Step> {
    records.iter_mut().filter_map(|record| match record {
        Record::Step(step) => Some(step),
        _ => None,
    })
}

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
            steps(records).for_each(|step| step.elapsed_ns = u64::MAX / 2);
        }),
        ("order", |_, records| records.reverse()),
        ("choices", |_, records| {
            for step in steps(records) {
                (step.choice, step.kind) = (Choice::Eager, StepKind::Resume);
            }
        }),
        ("texts", |_, records| {
            for record in records {
                match record {
                    Record::Task(task) => task.label.name = "\u{0}#\n<\"".repeat(99).into(),
                    Record::Detail(text) => *text = String::new(),
                    _ => {}
                }
            }
        }),
        ("faults", |header, records| {
            header.config.faults = vec![
                Fault::kill(""),
                Fault::delay("x", std::time::Duration::MAX).with_siblings(9),
            ];
            records.insert(
                1,
                Record::Fault(retake_traces::record::Injection {
                    elapsed_ns: 7,
                    task: 99,
                    action: Delay { until_ns: u64::MAX }.into(),
                }),
            );
        }),
        ("header", |header, _| {
            header.config.strategy = Strategy::Custom("chaos:depth=x".into());
            header.config.horizon_ns = 0;
            header.config.step_limit = 0;
        }),
        ("scenario", |header, _| {
            header.scenario = "zoo/../raft".into();
        }),
        ("live", |header, _| {
            header.config.strategy = Strategy::Live;
        }),
        ("left", |_, records| {
            let left = |place: u64| {
                Record::Unhandled(UnhandledMessage {
                    task: place as u32 * 3_000_000,
                    sent: place << 50,
                    text: "\u{0}<".repeat(place as usize),
                })
            };
            records.splice(7..7, (0..99).map(left));
        }),
    ]
}

/// Commands that read a recording of a live process, `X`.
const LIVE_COMMANDS: [&str; 7] = [
    "replay X",
    "replay X --trace replayed.retake --json",
    "verify X",
    "show X --json",
    "debug X --at end --print actors --print why --print faults",
    "view X --open-nothing -o page.html",
    "export X --format jsonl",
];

/// The parts of a recording that other traces do not have.
fn live(records: &mut [Record]) -> impl Iterator<Item = &mut Live> {
    records.iter_mut().filter_map(|record| match record {
        Record::Live(live) => Some(&mut **live),
        _ => None,
    })
}

fn pieces(records: &mut [Record]) -> impl Iterator<Item = &mut Piece> {
    live(records).filter_map(|live| match live {
        Live::Input(piece) | Live::External(piece) | Live::Output(piece) => Some(piece),
        _ => None,
    })
}

/// What is forged of a good recording.
fn live_forgeries() -> Vec<(&'static str, Forge)> {
    vec![
        ("nothing", |_, _| {}),
        ("no-start", |_, records| {
            records.remove(0);
        }),
        ("starts-only", |_, records| {
            let start = records[0].clone();
            records.fill(start);
        }),
        ("clocks", |_, records| {
            for live in live(records) {
                if let Live::Start(start) = live {
                    (start.unix_ns, start.origin_ns) = (u64::MAX, u64::MAX - 1);
                    start.config = b"{".to_vec();
                }
            }
        }),
        ("time", |_, records| {
            let tenth = steps(records).nth(9).unwrap();
            tenth.elapsed_ns = u64::MAX - (1 << 50);
        }),
        ("no-ends", |_, records| {
            let is_end = |live: &Live| matches!(live, Live::End(_));
            records.retain(|record| !matches!(record, Record::Live(live) if is_end(live)));
        }),
        ("failures", |_, records| {
            for live in live(records) {
                if let Live::End(end) = live {
                    *end = StepEnd::Panicked("\u{0}".repeat(99));
                }
            }
        }),
        ("taken", |_, records| {
            for place in 1..40 {
                let live = Live::Took {
                    task: place * 7_000_000,
                };
                records.insert(place as usize * 2, Record::Live(Box::new(live)));
            }
        }),
        ("pieces", |_, records| {
            pieces(records).for_each(|piece| piece.more = true);
        }),
        ("values", |_, records| {
            for piece in pieces(records) {
                piece.bytes = vec![0xff; piece.bytes.len() % 9];
            }
        }),
        ("names", |_, records| {
            pieces(records).for_each(|piece| piece.name = "stop".to_owned());
        }),
        ("stops", |_, records| {
            let is_input = |live: &Live| matches!(live, Live::Input(_));
            records.retain(|record| !matches!(record, Record::Live(live) if is_input(live)));
            let gap = Live::Gap("\n".repeat(80_000));
            records.insert(records.len() / 2, Record::Live(Box::new(gap)));
        }),
        ("tasks", |_, records| {
            for record in records {
                match record {
                    Record::Step(step) => step.task ^= 1,
                    Record::Task(task) => task.label.incarnation += 1,
                    _ => {}
                }
            }
        }),
        ("messages", |_, records| {
            for step in steps(records) {
                (step.message, step.kind) = (u16::MAX, StepKind::Supervision);
            }
        }),
        ("backwards", |_, records| records[1..].reverse()),
        ("simulated", |header, _| {
            header.config.strategy = Strategy::Random;
        }),
    ]
}

/// Try all commands on all forgeries of the trace `good`.
fn try_all(folder: &Folder, good: &str, commands: &[&str], forgeries: Vec<(&str, Forge)>) {
    let reader = TraceReader::open(folder.at(good)).unwrap();
    let header = reader.header().clone();
    let records: Vec<Record> = reader.map(Result::unwrap).collect();
    for (name, forge) in forgeries {
        let (mut header, mut records) = (header.clone(), records.clone());
        forge(&mut header, &mut records);
        folder.write_trace(name, &header, &records);
        for command in commands {
            let outcome = folder.run(command.replace('X', name));
            // 101 is a panic; without a code it was a signal.
            let most = if name == "nothing" { 1 } else { 3 };
            assert!((Some(0)..=Some(most)).contains(&outcome.code), "{outcome}");
            assert!(!outcome.err.contains("panicked at"), "{outcome}");
            let is_error = outcome.err.starts_with("error: ");
            assert_eq!(is_error, outcome.code >= Some(2), "{outcome}");
        }
    }
}

#[test]
fn no_command_panics_or_hangs_on_a_forged_recording() {
    let folder = Folder::new();
    let server = folder.serve("--record live.retake");
    for number in 0..6 {
        let request = push(&format!("m-{number}"), 85.0);
        assert_eq!(server.ask(&request).0, 200);
    }
    server.stop();
    try_all(&folder, "live.retake", &LIVE_COMMANDS, live_forgeries());
}

#[test]
fn no_command_panics_or_hangs_on_a_forged_trace() {
    let folder = Folder::new();
    folder.run("run zoo/raft/buggy --seed 2 --states --step-limit 5000 --trace good.retake");
    try_all(&folder, "good.retake", &COMMANDS, forgeries());
}
