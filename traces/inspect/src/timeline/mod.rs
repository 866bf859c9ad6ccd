//! The world at any step of a trace, in bounded memory.
//!
//! [`Timeline::open`] reads the file once, from beginning to end, and keeps where its
//! blocks begin and a bounded number of *checkpoints*: how things stood there. What stood
//! at any other step is folded from the nearest checkpoint on. A trace has every input of
//! the run, so going back to a checkpoint and forward again is what executing the run
//! again up to there would give, without its code.
//!
//! Steps are numbered from 1. What is said of a step is said of the moment after it; step
//! 0 is the beginning. What the layers of a trace do not hold is not known: mailboxes
//! need causes ([`Layers::causality`]), states of actors need [`Layers::states`], texts
//! need [`Layers::story`].
//!
//! [`Layers::causality`]: retake_traces::Layers::causality
//! [`Layers::states`]: retake_traces::Layers::states
//! [`Layers::story`]: retake_traces::Layers::story
//!
//! ```
//! # use retake_traces::{Header, Layers, Record, Sink, TraceWriter};
//! # use retake_traces::record::{Choice, End, OutcomeKind, State, Step, StepKind, Task, TaskKind};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("a.retake");
//! # let header = Header { layers: Layers::ALL, ..Header::default() };
//! # let mut writer = TraceWriter::create(&path, &header)?;
//! # let step = |task, kind| Step { elapsed_ns: 5, task, kind, message: 0, choice: Choice::Fifo };
//! # for record in [
//! #     Record::Task(Task { id: 0, kind: TaskKind::Scenario, label: "scenario".into(), parent: None }),
//! #     Record::Step(step(0, StepKind::Task)),
//! #     Record::Task(Task { id: 1, kind: TaskKind::Actor, label: "ledger".into(), parent: Some(0) }),
//! #     Record::Step(step(1, StepKind::PostStart)),
//! #     Record::Step(step(1, StepKind::Handle)),
//! #     Record::Detail("Append(7)".into()),
//! #     Record::Cause(1),
//! #     Record::State(State { task: 1, text: "[]".into(), at_end: false }),
//! #     Record::State(State { task: 1, text: "[7]".into(), at_end: true }),
//! #     Record::End(End { outcome: OutcomeKind::Passed, detail: String::new(), steps: 3, now_ns: 15 }),
//! # ] { writer.record(&record)?; }
//! # writer.finish()?;
//! use retake_inspect::Timeline;
//!
//! let mut timeline = Timeline::open(&path)?;
//! let ledger = timeline.find_task("ledger").unwrap();
//! // After step 2 the message is in the mailbox; step 3 handles it.
//! assert_eq!(timeline.mailbox(ledger, 2, 10)?[0].text.as_deref(), Some("Append(7)"));
//! assert_eq!(timeline.state(ledger, 2)?.unwrap().text, "[]");
//! assert_eq!(timeline.state(ledger, 3)?.unwrap().text, "[7]");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules, in reading order: `located` reads events; `build` reads the file once; `checkpoint` is what it
//! keeps; `segment` reads a part again; `world` folds; `find` searches, by a `condition` for example.

mod build;
mod checkpoint;
mod condition;
mod find;
mod located;
mod segment;
#[cfg(test)]
mod tests;
mod world;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use checkpoint::Checkpoints;
use retake_traces::error::TraceError;
use retake_traces::fault::Action;
use retake_traces::header::Header;
use retake_traces::reader::TraceReader;
use retake_traces::record::{End, OutcomeKind, TaskKind};
use segment::{Place, Segments};

pub use condition::Condition;
pub use find::Direction;
pub use world::{QueuedMessage, StateAge, StateAt, TaskAt, World};

/// A task over the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Life {
    /// Its number, which is its place in [`Timeline::tasks`].
    pub id: u32,
    /// What it is.
    pub kind: TaskKind,
    /// Its name, with the number of the incarnation from the second on.
    pub label: Arc<str>,
    /// The task in whose step it was started.
    pub parent: Option<u32>,
    /// The step that started it, 0 for none.
    pub started: u64,
    /// Its last step, 0 for none.
    pub last_step: u64,
    /// When and how it ended, where the trace tells. Of tasks that are no actors it does not.
    pub ended: Option<TaskEnd>,
    /// The last step that began a callback.
    #[serde(skip)]
    last_callback: u64,
    /// The step that recorded its state last, 0 for none.
    #[serde(skip)]
    state: u64,
    /// The block that has its state at the end.
    #[serde(skip)]
    end_state: Option<u64>,
}

/// The end of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TaskEnd {
    /// The step; when only a supervisor's step tells of it, that one.
    pub step: u64,
    /// How.
    pub how: TaskEndKind,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEndKind {
    /// By `post_stop`.
    Stopped,
    /// A callback panicked.
    Panicked,
    /// A callback returned an error.
    Failed,
    /// It was killed, by a fault, by code, or with its supervisor.
    Killed,
    /// A supervisor heard that it is gone.
    Gone,
}

impl TaskEndKind {
    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Panicked => "panicked",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Gone => "gone",
        }
    }
}

/// Something to stop at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// The step; of what happened between steps, the one before.
    pub step: u64,
    /// Virtual time in nanoseconds.
    pub now_ns: u64,
    /// The task that it is about.
    pub task: u32,
    /// What happened.
    pub kind: MarkKind,
}

/// What a [`Mark`] means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// An injected fault.
    Fault(Action),
    /// A panic, injected ones included.
    Panic,
    /// A supervisor heard of a child.
    Supervision,
}

/// Marks that are kept; of more, the first.
const MARKS_MAX: usize = 1 << 16;

/// A message that was never handled.
#[derive(Clone, Copy, Debug)]
struct LeftMessage {
    to: u32,
    /// The step that sent it.
    sent: u64,
    /// The block that has its text.
    offset: u64,
}

/// Messages that were never handled and are kept; of more, the first.
const LEFT_MAX: usize = 1 << 16;

/// A trace, ready to be looked at step by step. See the module documentation.
#[derive(Debug)]
pub struct Timeline {
    header: Header,
    end: End,
    steps: u64,
    tasks: Vec<Life>,
    marks: Vec<Mark>,
    /// True when there are more marks than are kept.
    more_marks: bool,
    /// The last panic.
    last_panic: Option<u64>,
    left: Vec<LeftMessage>,
    checkpoints: Checkpoints,
    segments: Segments,
    /// Why the file is not whole.
    damage: Option<TraceError>,
}

impl Timeline {
    /// Read a trace and keep what is needed to go to any step of it.
    ///
    /// One that was cut short or is damaged is read up to there: see [`Timeline::damage`].
    ///
    /// # Errors
    /// If the file cannot be read, is no trace, or its header is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TraceError> {
        Self::open_with(path, |_| {})
    }

    /// The same; `progress` is called now and then with the number of steps read.
    ///
    /// # Errors
    /// As [`Timeline::open`].
    pub fn open_with(
        path: impl AsRef<Path>,
        progress: impl FnMut(u64),
    ) -> Result<Self, TraceError> {
        build::build(
            TraceReader::open(path)?,
            &build::Limits::default(),
            progress,
        )
    }

    /// What was run.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Steps of the run.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How it ended. Where the trace is cut short before that, the outcome is
    /// [`OutcomeKind::CutShort`], with the reason and with what was read.
    #[must_use]
    pub fn end(&self) -> &End {
        &self.end
    }

    /// Why the trace ends before the file says so, or what is wrong behind the run's end.
    /// None of a file that is whole and as it was written.
    #[must_use]
    pub fn damage(&self) -> Option<&TraceError> {
        self.damage.as_ref()
    }

    /// The same, for who has looked at everything.
    #[must_use]
    pub fn into_damage(self) -> Option<TraceError> {
        self.damage
    }

    /// All tasks, in the order of starting.
    #[must_use]
    pub fn tasks(&self) -> &[Life] {
        &self.tasks
    }

    /// The task of this label; without the number of an incarnation, the first.
    #[must_use]
    pub fn find_task(&self, label: &str) -> Option<u32> {
        let found = self.tasks.iter().find(|life| &*life.label == label);
        found.map(|life| life.id)
    }

    /// Faults, panics and what supervisors heard, in order; the first 65,536 of them.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The step at which the run failed: that of the panic that ended it, or the last,
    /// also of a trace that is cut short. None when it passed.
    #[must_use]
    pub fn failure_step(&self) -> Option<u64> {
        match self.end.outcome {
            OutcomeKind::Passed => None,
            OutcomeKind::Panicked => Some(self.last_panic.unwrap_or(self.steps)),
            _ => Some(self.steps),
        }
    }

    fn places(&self) -> &[Place] {
        self.segments.places()
    }
}
