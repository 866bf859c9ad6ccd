//! A run in a process of its own: what it is asked, and what it has recorded.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use retake_core::planned::PlannedFault;
use retake_core::strategy::Hold;

pub use crate::answer::{AnswerError, read};
pub use crate::event::{Event, TaskKind, TextKind};

/// What a run is made from.
#[derive(Clone, Debug)]
pub struct Request {
    /// From which all choices derive.
    pub seed: u64,
    /// The strategy, as Retake writes it: `random`, `pct:depth=3,steps=10000`; `holds` for first
    /// in, first out with those of [`holds`](Self::holds).
    pub strategy: String,
    /// Steps that wait for others.
    pub holds: Vec<Hold>,
    /// What goes wrong on purpose.
    pub faults: Vec<PlannedFault>,
    /// The largest number of steps.
    pub step_limit: u64,
    /// The end of virtual time, in nanoseconds.
    pub horizon_ns: u64,
    /// What a step takes of virtual time, in nanoseconds.
    pub step_ns: u64,
    /// One in so many messages is held up between being taken and being handled, in runtimes
    /// with several threads; 0 for none.
    pub preempt: u64,
    /// All steps are recorded, with tasks, messages and causes.
    pub records: bool,
    /// The schedule is recorded as ordering constraints.
    pub wants_holds: bool,
    /// The file that the run writes.
    pub answer: PathBuf,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            seed: 0,
            strategy: "random".to_owned(),
            holds: Vec::new(),
            faults: Vec::new(),
            step_limit: 20_000_000,
            horizon_ns: 24 * 3_600_000_000_000,
            step_ns: 1_000,
            preempt: 16,
            records: false,
            wants_holds: false,
            answer: PathBuf::new(),
        }
    }
}

impl Request {
    /// The environment that makes a program with a generated tokio take this run.
    ///
    /// # Errors
    /// If the path of the answer or a name in a fault cannot be a part of a line of text.
    pub fn variables(&self) -> io::Result<[(&'static str, OsString); 2]> {
        let answer = self.answer.to_str().filter(|path| !path.contains('\n'));
        let answer = answer.ok_or_else(|| {
            let path = self.answer.display();
            io::Error::other(format!("{path}: the path is no line of UTF-8"))
        })?;
        let mut lines = format!("strategy={}\nanswer={answer}\n", self.strategy);
        let numbers = [
            ("step_limit", self.step_limit),
            ("horizon_ns", self.horizon_ns),
            ("step_ns", self.step_ns),
            ("preempt", self.preempt),
            ("records", self.records.into()),
            ("wants_holds", self.wants_holds.into()),
        ];
        for (name, number) in numbers {
            let _ = writeln!(lines, "{name}={number}");
        }
        for Hold { step, until } in &self.holds {
            let _ = writeln!(lines, "hold={} {} {} {}", step.0, step.1, until.0, until.1);
        }
        for fault in &self.faults {
            let line = fault.to_line().map_err(io::Error::other)?;
            let _ = writeln!(lines, "fault={line}");
        }
        let seed = self.seed.to_string();
        Ok([
            ("RETAKE_SEED", seed.into()),
            ("RETAKE_SEEDED", lines.into()),
        ])
    }
}
