//! A run in a process of its own: what it is asked, and what it has recorded.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use retake_core::outcome::OutcomeKind;
use retake_core::step::StepKind;
use retake_core::strategy::Hold;

pub use crate::answer::AnswerError;

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
    /// If the path of the answer cannot be a line of text.
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
        let seed = self.seed.to_string();
        Ok([
            ("RETAKE_SEED", seed.into()),
            ("RETAKE_SEEDED", lines.into()),
        ])
    }
}

/// What has a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// A thread. With [`Event::Main`], the future that it blocks on.
    Thread,
    /// A task of tokio.
    Task,
}

/// An entry of what a run has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first one: the version of the tokio that the program was built with.
    Hello {
        /// The version.
        tokio: String,
    },
    /// A runtime was built.
    Runtime {
        /// For several threads.
        multi_thread: bool,
    },
    /// A thread was started or a task was spawned.
    Task {
        /// Its number, from 0.
        serial: u32,
        /// What it is.
        kind: TaskKind,
        /// Who started it.
        parent: Option<u32>,
        /// The type of its future.
        type_name: String,
        /// Where it was spawned; empty if that is not known.
        file: String,
        /// The line of the file, from 1.
        line: u32,
        /// The name that it was given; empty without one.
        name: String,
    },
    /// A thread blocks on a future.
    Main {
        /// The number of the thread.
        task: u32,
        /// The type of the future.
        type_name: String,
        /// Where it does.
        file: String,
        /// The line of the file, from 1.
        line: u32,
    },
    /// A turn.
    Step {
        /// Whose.
        task: u32,
        /// Virtual time since the step before, in nanoseconds.
        elapsed_ns: u64,
        /// What it is of.
        kind: StepKind,
        /// First in, first out would have chosen another one.
        deviates: bool,
    },
    /// A message of this type was taken from a channel in the step before.
    Message {
        /// The type.
        type_name: String,
    },
    /// The step that made the step before possible.
    Cause {
        /// Its number, from 1.
        step: u64,
    },
    /// A panic, whether or not it is caught.
    Panic {
        /// In whose turn.
        task: u32,
        /// Its message.
        message: String,
        /// The file of its place.
        file: String,
        /// The line of its place.
        line: u32,
        /// The column of its place.
        column: u32,
    },
    /// A task or thread has ended.
    TaskEnded {
        /// Its number.
        task: u32,
    },
    /// An ordering constraint of the schedule.
    Hold(Hold),
    /// What may make this run differ from another one of its seed.
    Note {
        /// In words.
        text: String,
    },
    /// The driver has ended the process.
    Ended {
        /// Why.
        outcome: OutcomeKind,
        /// In words.
        text: String,
    },
    /// At the end of the process.
    Stats {
        /// Steps.
        steps: u64,
        /// Choices that first in, first out would not have made, if steps or constraints are recorded.
        deviations: u64,
        /// A hash over who took each step and when.
        hash: u64,
        /// Virtual time, in nanoseconds.
        now_ns: u64,
    },
}

/// What a run has recorded, also where its process was killed.
///
/// # Errors
/// If the file cannot be read, or is not one that a run has written.
pub fn read(answer: &Path) -> Result<Vec<Event>, AnswerError> {
    crate::answer::read(answer)
}
