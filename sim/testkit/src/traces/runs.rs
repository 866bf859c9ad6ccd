//! Runs to test with.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use retake_traces::fault::kinds::{Delay, Kill};
use retake_traces::record::{
    Choice, End, Event, Injection, OutcomeKind, Panic, Record, State, Step, StepKind, Task,
    TaskKind, UnhandledMessage,
};
use retake_traces::{Header, Layers, RunConfig, Sink, TraceWriter};

pub fn header() -> Header {
    Header {
        program: "retake 1".into(),
        scenario: "shop".into(),
        config: RunConfig {
            seed: 7,
            horizon_ns: 60_000_000_000,
            step_limit: 1_000,
            faults: vec!["kill pool @2ms".parse().unwrap()],
            ..RunConfig::default()
        },
        layers: Layers::ALL,
        versions: vec![("ractor".into(), "1.0".into())],
        code: "00ff".into(),
        reasons: vec!["passes without the fault `kill pool @2ms`".into()],
        decisive: vec![2],
    }
}

pub fn step(task: u32, elapsed_ns: u64, kind: StepKind) -> Record {
    Record::Step(Step {
        elapsed_ns,
        task,
        kind,
        message: 1,
        choice: Choice::Fifo,
    })
}

pub fn task(id: u32, kind: TaskKind, label: &str, parent: Option<u32>) -> Record {
    Record::Task(Task {
        id,
        kind,
        label: label.into(),
        parent,
    })
}

pub fn state(task: u32, text: &str, at_end: bool) -> Record {
    Record::State(State {
        task,
        text: text.into(),
        at_end,
    })
}

pub fn detail(text: &str) -> Record {
    Record::Detail(text.into())
}

pub fn event(text: &str) -> Record {
    Record::Event(Event::log(text))
}

pub fn end(outcome: &str, steps: u64, now_ns: u64) -> Record {
    Record::End(End {
        outcome: OutcomeKind::of_word(outcome).expect("a word for an outcome"),
        detail: if outcome == "passed" {
            String::new()
        } else {
            "`pool` panicked: no worker".into()
        },
        steps,
        now_ns,
    })
}

/// A run with everything in it: messages, some of which wait, an await, a logged line,
/// faults, a panic, a restart, and texts that formats have to escape.
pub fn shop() -> Vec<Record> {
    use Record::Cause;
    use StepKind::{Handle, PostStart, Resume, Supervision, Task as Begin};
    vec![
        task(0, TaskKind::Scenario, "scenario", None),
        step(0, 0, Begin),
        task(1, TaskKind::Actor, "pool", Some(0)),
        task(2, TaskKind::Task, "client \"one\"; <b>#2", Some(0)),
        step(1, 0, PostStart),
        step(2, 0, Begin),
        step(1, 1_500, Handle),
        detail("CheckOut { who: \"a;b\", n: 1 }"),
        Cause(3),
        state(1, "Pool { free: 1 }", false),
        event("lent: worker #1\nto a"),
        step(1, 1_000_000, Handle),
        detail("CheckOut(2)"),
        Cause(3),
        step(1, 1_000_000, Handle),
        detail("CheckIn"),
        Cause(3),
        Record::Fault(Injection {
            elapsed_ns: 0,
            task: 2,
            action: Delay { until_ns: 5 }.into(),
        }),
        step(1, 250_000, Resume),
        Record::Fault(Injection {
            elapsed_ns: 10,
            task: 1,
            action: Kill { awaiting: false }.into(),
        }),
        Record::Panic(Panic {
            task: 1,
            message: "no worker".into(),
        }),
        step(0, 0, Supervision),
        detail("ActorFailed(pool, \"no worker\")"),
        Cause(7),
        task(3, TaskKind::Actor, "pool#2", Some(0)),
        step(3, 5_000, PostStart),
        Record::Unhandled(UnhandledMessage {
            task: 3,
            sent: 8,
            text: "CheckOut(3)".into(),
        }),
        state(3, "Pool {\n    free: 1,\n}", true),
        end("panicked", 9, 2_256_510),
    ]
}

pub fn write_with(folder: &Path, name: &str, header: &Header, records: &[Record]) -> PathBuf {
    let path = folder.join(name);
    let mut writer = TraceWriter::create(&path, header).unwrap();
    for record in records {
        writer.record(record).unwrap();
    }
    writer.finish().unwrap();
    path
}

pub fn write(folder: &Path, name: &str, records: &[Record]) -> PathBuf {
    write_with(folder, name, &header(), records)
}

/// A message in a run that is made up: who gets it, and when the sender sent it.
#[derive(Clone, Debug)]
struct WaitingMessage {
    to: usize,
    sent: u64,
    name: u8,
}

/// Runs as a simulator could record them: each step handles a message that an earlier
/// one sent, or begins a task that an earlier one started.
pub fn any_run() -> impl Strategy<Value = Vec<Record>> {
    let step = (any::<u16>(), any::<u8>(), 0..3_u64, any::<u16>());
    (2..6_usize, prop::collection::vec(step, 1..60))
        .prop_map(|(tasks, steps)| run_of(tasks, &steps))
}

fn run_of(tasks: usize, steps: &[(u16, u8, u64, u16)]) -> Vec<Record> {
    let mut records = vec![
        task(0, TaskKind::Scenario, "scenario", None),
        self::step(0, 0, StepKind::Task),
    ];
    for id in 1..tasks {
        records.push(task(
            id as u32,
            TaskKind::Actor,
            &format!("actor-{id}"),
            Some(0),
        ));
    }
    let mut waiting: Vec<WaitingMessage> = (1..tasks)
        .map(|to| WaitingMessage {
            to,
            sent: 1,
            name: 0,
        })
        .collect();
    let (mut taken, mut now_ns) = (1, 0);
    for (choose, name, elapsed, sends) in steps {
        if waiting.is_empty() {
            break;
        }
        // First in, first out for each receiver.
        let chosen = waiting[*choose as usize % waiting.len()].to;
        let place = waiting
            .iter()
            .position(|message| message.to == chosen)
            .unwrap();
        let message = waiting.remove(place);
        taken += 1;
        now_ns += elapsed * 700;
        records.push(self::step(
            message.to as u32,
            elapsed * 700,
            StepKind::Handle,
        ));
        records.push(detail(&format!("M{}", message.name)));
        records.push(Record::Cause(message.sent));
        for bit in 0..sends.count_ones() % 4 {
            waiting.push(WaitingMessage {
                to: 1 + (*sends as usize >> bit) % (tasks - 1),
                sent: taken,
                name: name.wrapping_add(bit as u8),
            });
        }
    }
    records.push(end("passed", taken, now_ns));
    records
}
