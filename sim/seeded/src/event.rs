//! What a run records.

use retake_core::outcome::OutcomeKind;
use retake_core::step::StepKind;
use retake_core::strategy::Hold;

/// What has a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// A thread. With [`Event::Main`], the future that it blocks on.
    Thread,
    /// A task of tokio.
    Task,
}

/// What a text of another crate of Retake is, in the program that is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// The name of the task that runs.
    Name,
    /// The message that it handles.
    Message,
    /// The state that its actor has before.
    State,
    /// A line for the story.
    Line,
}

impl TextKind {
    /// All of them, by their numbers in what is recorded.
    pub(crate) const ALL: [Self; 4] = [Self::Name, Self::Message, Self::State, Self::Line];
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
    /// A text of another crate of Retake in the program.
    Text {
        /// What it is.
        kind: TextKind,
        /// The task that runs.
        task: u32,
        /// The text.
        text: String,
    },
    /// A fault was injected, or had a further effect.
    Fault {
        /// The task that it affects; 0 where it affects the whole run.
        task: u32,
        /// Virtual time since the step or fault before, in nanoseconds.
        elapsed_ns: u64,
        /// Its place in the list of faults that were asked for.
        place: u64,
        /// The name of what it affected, of a fault that names nothing; else empty.
        name: String,
    },
    /// What a task or thread waited for when the run ended because nothing could run, or not
    /// enough happened.
    Awaits {
        /// The task or thread.
        task: u32,
        /// In words.
        what: String,
        /// Where in the sources; empty if that is not known.
        place: String,
        /// The task that it waited for, if that is known.
        of: Option<u32>,
    },
    /// The driver has ended the process. The last one of a run says most.
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
