//! What a trace says: one [`Record`] after another.
//!
//! Records fall into two layers. The **schedule** layer is what a replay needs
//! and what the event hash covers: who exists, who ran, which faults fired, how
//! it ended. The **story** layer is what a person reads: the text of messages,
//! their causes, what is left in mailboxes, states of actors, lines logged by user code. A run recorded with or without its
//! story has the same event hash.

use std::fmt;

use bincode::{Decode, Encode};
use serde::Serialize;

use crate::codec;
use crate::counted;
use crate::fault::Action;
use crate::label::Label;
use crate::live::Live;

pub use retake_core::outcome::OutcomeKind;
pub use retake_core::step::StepKind;
pub use retake_core::task::TaskKind;

/// One entry of a trace. See the module documentation for the two layers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub enum Record {
    /// One turn granted to one task.
    Step(Step),
    /// A task came into existence (schedule layer).
    Task(Task),
    /// A fault was injected (schedule layer).
    Fault(Injection),
    /// A task panicked (schedule layer).
    Panic(Panic),
    /// The run ended; always the last record (schedule layer).
    End(End),
    /// The message that the preceding step handles, as text, or the place in the sources of
    /// the preceding panic (story layer).
    Detail(String),
    /// The step that sent the message which the preceding step handles (story layer).
    Cause(u64),
    /// Something that happened during the preceding step (story layer).
    Event(Event),
    /// What only a recording of a live process has.
    Live(Box<Live>),
    /// The state of an actor as text, where it changed (story layer).
    State(State),
    /// A message that was never handled (story layer).
    Unhandled(UnhandledMessage),
    /// An actor has ended, and no step of its own tells (story layer). A
    /// [`Cause`](Self::Cause) follows where a step ended it.
    Ended(ActorEnd),
    /// What the supervisor learns of a child in the preceding step (story layer).
    Child(Child),
}

impl Record {
    /// True for the records that a replay needs and the event hash covers.
    #[must_use]
    pub fn is_schedule(&self) -> bool {
        !matches!(
            self,
            Self::Detail(_)
                | Self::Cause(_)
                | Self::Event(_)
                | Self::Live(_)
                | Self::State(_)
                | Self::Unhandled(_)
                | Self::Ended(_)
                | Self::Child(_)
        )
    }

    /// Append this record's encoding to `bytes`, for another process of this program.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        codec::encode(self, bytes);
    }

    /// The record at the front of `bytes`, and the length of its encoding.
    ///
    /// # Errors
    /// In words, if no record of this version begins there.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), String> {
        codec::decode(bytes)
    }
}

/// One turn: the scheduler let one task run up to its next await point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Step {
    /// Virtual time since the previous step, in nanoseconds.
    pub elapsed_ns: u64,
    /// The task that ran, see [`Task::id`].
    pub task: u32,
    /// Which part of the task ran.
    pub kind: StepKind,
    /// Discriminant of the message's enum variant, 0 without one.
    pub message: u16,
    /// How the scheduler came to this task.
    pub choice: Choice,
}

/// How the scheduler chose a step, relative to first in, first out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The choice that `Fifo` would have made, at quiescence.
    Fifo,
    /// Another choice, made at quiescence: a deviation.
    Deviation,
    /// Run at once, without waiting for quiescence (the `Defer` strategy).
    Eager,
}

/// A task: an actor, the scenario itself or a task that it spawned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Task {
    /// The simulation's own number, given in the order of starting, from 0.
    pub id: u32,
    /// What the task is.
    pub kind: TaskKind,
    /// Stable name, for example `ledger#2` for the second incarnation.
    pub label: Label,
    /// The task in whose step this one was started.
    pub parent: Option<u32>,
}

/// A fault that was injected.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Injection {
    /// Virtual time since the previous step, in nanoseconds.
    pub elapsed_ns: u64,
    /// The task that it affects; the scenario's where it affects the whole run.
    pub task: u32,
    /// What was done.
    pub action: Action,
}

/// A panic in user code, injected ones included.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Panic {
    /// The task that panicked.
    pub task: u32,
    /// The panic's message.
    pub message: String,
}

/// The state of an actor as text, as its `Debug` has it.
///
/// Recorded after the step that begins a callback, it is the state that the callback
/// found: the one that the callback before it left. It is left out where it is the same
/// as the last recorded one. Records of idle actors' states at the end of the run come
/// just before [`End`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct State {
    /// The actor.
    pub task: u32,
    /// The text, of one line or more.
    pub text: String,
    /// True for the state of an idle actor at the end of the run.
    pub at_end: bool,
}

/// A message in the mailbox of an actor at the end of the run: sent, and never handled.
///
/// Recorded before the last states, by actor, and for each actor in the order in which it
/// would have handled them. Not recorded are what was dropped with the mailbox of an actor
/// that ended, what waits behind an order to stop, and what no step sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct UnhandledMessage {
    /// The actor.
    pub task: u32,
    /// The step that sent it.
    pub sent: u64,
    /// The message as text.
    pub text: String,
}

/// The end of an actor: after it nothing of the actor runs, and nothing is sent to it.
///
/// Not recorded is the end of one whose `post_stop` has run, or a callback of which has
/// failed or panicked: its last step is the end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct ActorEnd {
    /// The actor.
    pub task: u32,
    /// How.
    pub how: EndKind,
}

/// How an actor ends of which no step of its own tells.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndKind {
    /// It was killed.
    Killed,
    /// It was killed since its supervisor has ended.
    KilledWith(Label),
    /// It did not start.
    NotStarted,
}

impl fmt::Display for EndKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::KilledWith(supervisor) => write!(f, "killed with its supervisor {supervisor}"),
            Self::NotStarted => f.write_str("did not start"),
        }
    }
}

/// Something that happened in a step.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Event {
    /// What it is.
    pub kind: EventKind,
    /// The line that was logged, the error, or what is wrong.
    pub text: String,
}

impl Event {
    /// A line that was logged.
    pub fn log(text: impl Into<String>) -> Self {
        Self {
            kind: EventKind::Log,
            text: text.into(),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            EventKind::Log => "",
            EventKind::Failed => "failed: ",
            EventKind::Violated => "violated: ",
        };
        write!(f, "{word}{}", self.text)
    }
}

/// What an [`Event`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// User code logged a line.
    Log,
    /// The step returned an error: an actor ends by that.
    Failed,
    /// A check failed.
    Violated,
}

/// What a supervisor learns of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct Child {
    /// The child.
    pub task: u32,
    /// What has become of it.
    pub news: ChildNews,
}

/// What has become of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildNews {
    /// It has started.
    Started,
    /// It has stopped without a reason.
    Stopped,
    /// It has ended for a reason.
    Ended,
    /// It has failed or panicked.
    Failed,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize)]
pub struct End {
    /// The kind of its end.
    pub outcome: OutcomeKind,
    /// One or more lines of explanation; empty when passed.
    pub detail: String,
    /// Steps taken.
    pub steps: u64,
    /// Virtual time at the end, in nanoseconds.
    pub now_ns: u64,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = counted(self.steps, "step");
        write!(f, "{} after {steps}", self.outcome)?;
        match self.detail.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.detail),
        }
    }
}
