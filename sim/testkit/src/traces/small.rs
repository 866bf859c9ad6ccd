//! A small run with every kind of record, for tests of this crate and of those that read traces.

use std::path::{Path, PathBuf};

use retake_traces::fault::kinds::{Delay, Kill};
use retake_traces::record::{
    Choice, End, Event, Injection, OutcomeKind, Panic, Record, Step, StepKind, Task, TaskKind,
};
use retake_traces::{Header, RunConfig};
use tempfile::TempDir;

use super::runs::write_with;

pub fn header() -> Header {
    Header {
        program: "test 1".into(),
        scenario: "two".into(),
        config: RunConfig {
            seed: 7,
            ..RunConfig::default()
        },
        ..Header::default()
    }
}

pub fn step(task: u32, elapsed_ns: u64, choice: Choice) -> Record {
    Record::Step(Step {
        elapsed_ns,
        task,
        kind: StepKind::Handle,
        message: 3,
        choice,
    })
}

pub fn task(id: u32, label: &str, parent: Option<u32>) -> Record {
    Record::Task(Task {
        id,
        kind: TaskKind::Actor,
        label: label.into(),
        parent,
    })
}

pub fn end(steps: u64, now_ns: u64) -> Record {
    Record::End(End {
        outcome: OutcomeKind::Passed,
        detail: String::new(),
        steps,
        now_ns,
    })
}

/// A small run with every kind of record.
pub fn small() -> Vec<Record> {
    vec![
        task(0, "ledger", None),
        step(0, 0, Choice::Fifo),
        Record::Detail("Append { payload: 12 }".into()),
        Record::Cause(1),
        task(1, "pool/worker", Some(0)),
        Record::Event(Event::log("receipt 1\nsecond line")),
        step(1, 1_500_000, Choice::Deviation),
        Record::Fault(Injection {
            elapsed_ns: 10,
            task: 1,
            action: Kill { awaiting: false }.into(),
        }),
        Record::Fault(Injection {
            elapsed_ns: 0,
            task: 0,
            action: Delay {
                until_ns: 2_000_000_000,
            }
            .into(),
        }),
        Record::Panic(Panic {
            task: 0,
            message: "no\tmore".into(),
        }),
        step(0, 0, Choice::Eager),
        end(3, 1_500_010),
    ]
}

pub fn write(folder: &TempDir, name: &str, records: &[Record]) -> PathBuf {
    write_with(folder.path(), name, &header(), records)
}

/// A run of this scenario that has passed without a step.
pub fn write_empty(folder: &Path, name: &str, scenario: &str) -> PathBuf {
    let header = Header {
        scenario: scenario.into(),
        ..Header::default()
    };
    write_with(folder, name, &header, &[end(0, 0)])
}
