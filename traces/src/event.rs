//! Whole events: what the records of a trace say together.
//!
//! A step, the text of its message, the step that sent that message and the state that the
//! callback found are one event to who reads a run, and up to five records of a trace, since
//! each layer can be left out. [`Events`] reads records as a stream and yields whole events;
//! one event is in memory at a time, whatever the length of the run.
//!
//! ```
//! use retake_traces::event::events;
//! use retake_traces::record::{Choice, Record, Step, StepKind, Task, TaskKind};
//!
//! let step = Step { elapsed_ns: 5, task: 0, kind: StepKind::Handle, message: 1, choice: Choice::Fifo };
//! let records = [
//!     Record::Task(Task { id: 0, kind: TaskKind::Actor, label: "ledger".into(), parent: None }),
//!     Record::Step(step),
//!     Record::Detail("Append(7)".into()),
//! ];
//! let whole: Vec<_> = events(&records).collect();
//! assert_eq!(whole[1].who.as_ref(), "ledger");
//! assert_eq!(whole[1].what(), "handles Append(7)");
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use crate::clean::one_line;
use crate::error::TraceError;
use crate::label;
use crate::live::{Live, Piece, StepEnd};
use crate::reader::{Position, TraceReader};
use crate::record::{
    ActorEnd, Child, End, Event, Injection, Panic, Record, State, Step, StepKind, Task, TaskKind,
    UnhandledMessage,
};

/// What an event is: the record that it begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Occurrence {
    /// A task took a step.
    Step(Step),
    /// A task came into existence.
    Task(Task),
    /// A fault was injected.
    Fault(Injection),
    /// A task panicked.
    Panic(Panic),
    /// The run ended.
    End(End),
    /// A line was logged, a callback failed or a check did.
    Event(Event),
    /// What only a recording of a live process has.
    Live(Box<Live>),
    /// The state of an idle actor at the end of the run.
    State(State),
    /// A message was never handled.
    Unhandled(UnhandledMessage),
    /// An actor has ended, and no step of its own shows it.
    Ended(ActorEnd),
}

/// What happened at one moment of a run, with everything that the trace says of it.
///
/// As JSON it has neither the number of its task nor the state: `who` and a state's own
/// object in an export have those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WholeEvent {
    /// Number of the last step up to here, from 1; 0 before the first.
    pub step: u64,
    /// Virtual time in nanoseconds.
    pub now_ns: u64,
    /// The task that it is about; of a logged line, the one that logged it.
    #[serde(skip)]
    pub task: Option<u32>,
    /// The label of this task; empty when the event is about the run.
    pub who: Arc<str>,
    /// What happened.
    #[serde(rename = "record")]
    pub occurrence: Occurrence,
    /// The text of the message; of a panic its place in the sources, of a new task the label
    /// of the task that started it.
    pub detail: Option<String>,
    /// The step that sent the message, woke the task or ended the actor.
    pub cause: Option<u64>,
    /// What the step of a supervisor learns of a child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child: Option<Child>,
    /// The state that the callback of this step found, where it is another than the one
    /// recorded before.
    #[serde(skip)]
    pub state: Option<String>,
}

impl WholeEvent {
    /// The step, if it is one.
    #[must_use]
    pub fn as_step(&self) -> Option<&Step> {
        match &self.occurrence {
            Occurrence::Step(step) => Some(step),
            _ => None,
        }
    }

    /// True for a turn of a task.
    #[must_use]
    pub fn is_step(&self) -> bool {
        self.as_step().is_some()
    }

    /// Which part of its task ran, if it is a step.
    #[must_use]
    pub fn kind(&self) -> Option<StepKind> {
        self.as_step().map(|step| step.kind)
    }

    /// The cause, if it is a step that came before: in a forged trace it need not be.
    #[must_use]
    pub fn earlier_cause(&self) -> Option<u64> {
        // What is no step comes after the one that it has the number of.
        let last = self.step - u64::from(self.is_step());
        self.cause.filter(|cause| (1..=last).contains(cause))
    }

    /// True when a story has a line for it. States at the end, and what only the replay of a
    /// live recording needs, have none.
    #[must_use]
    pub fn has_line(&self) -> bool {
        match &self.occurrence {
            Occurrence::State(_) => false,
            Occurrence::Live(live) => match &**live {
                Live::Input(piece) | Live::External(piece) | Live::Output(piece) => !piece.more,
                Live::End(StepEnd::Failed(_)) | Live::Gap(_) => true,
                Live::Start(_) | Live::Took { .. } | Live::End(_) => false,
            },
            _ => true,
        }
    }

    /// True when the label is `name`, or an incarnation of it where `name` has no number.
    #[must_use]
    pub fn is_about(&self, name: &str) -> bool {
        let (base, incarnation) = label::parts(&self.who);
        label::is_meant(base, incarnation, name)
    }

    /// The text of what a step runs: a message has one in any case.
    fn text_of_step(&self) -> Option<Cow<'_, str>> {
        match (&self.detail, self.as_step()) {
            (Some(detail), _) => Some(detail.into()),
            (None, Some(step)) if step.kind == StepKind::Handle => {
                Some(format!("message {}", step.message).into())
            }
            (None, _) => None,
        }
    }

    /// The message that a step handles, on one line.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let is_message = self.kind() == Some(StepKind::Handle);
        let text = self.text_of_step().filter(|_| is_message)?;
        Some(one_line(&text))
    }

    /// What happened on one line, without when and to whom.
    #[must_use]
    pub fn what(&self) -> String {
        let text = match &self.occurrence {
            Occurrence::Step(step) => {
                let verb = step.kind.verb();
                match self.text_of_step() {
                    Some(text) => format!("{verb} {text}"),
                    None => verb.to_owned(),
                }
            }
            Occurrence::Task(task) => {
                let kind = match task.kind {
                    TaskKind::Scenario => "scenario",
                    TaskKind::Actor => "actor",
                    TaskKind::Task => "task",
                };
                match &self.detail {
                    Some(parent) => format!("new {kind}, by {parent}"),
                    None => format!("new {kind}"),
                }
            }
            Occurrence::Fault(fault) => format!("FAULT: {}", fault.action.describe()),
            Occurrence::Panic(panic) => match &self.detail {
                Some(place) => format!("PANIC at {place}: {}", panic.message),
                None => format!("PANIC: {}", panic.message),
            },
            Occurrence::End(end) => what_end(end),
            Occurrence::Event(event) => format!("| {event}"),
            Occurrence::State(state) => format!("state: {}", state.text),
            Occurrence::Unhandled(message) => format!("never handled: {}", message.text),
            Occurrence::Ended(ended) => format!("ENDS: {}", ended.how),
            Occurrence::Live(live) => what_live(live),
        };
        one_line(&text)
    }
}

fn what_end(end: &End) -> String {
    let text = end.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    format!("END: {}", lines.join("; "))
}

fn what_live(live: &Live) -> String {
    let piece = |word: &str, piece: &Piece| {
        let length = piece.bytes.len();
        let text = std::str::from_utf8(&piece.bytes).unwrap_or_default();
        format!("| {word} {}, {length} bytes: {text}", piece.name)
    };
    match live {
        Live::Input(input) => piece("input", input),
        Live::External(value) => piece("from outside:", value),
        Live::Output(value) => piece("output", value),
        Live::End(end) => format!("| {end}"),
        Live::Gap(why) => format!("GAP: {why}"),
        Live::Start(_) => "| the recording begins".to_owned(),
        Live::Took { .. } => "| took something urgent".to_owned(),
    }
}

/// Puts records together to whole events, and keeps the labels of tasks as they appear.
#[derive(Clone, Debug, Default)]
pub struct EventBuilder {
    labels: Vec<Arc<str>>,
    /// The labels of all tasks, where they were known before.
    known: Option<Arc<[Arc<str>]>>,
    step: u64,
    now_ns: u64,
    /// The task of the last step.
    running: Option<u32>,
    /// May still get its text, its cause and its state.
    open: Option<WholeEvent>,
}

impl EventBuilder {
    /// For records from the first on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For records after a jump.
    #[must_use]
    pub fn at(position: &Position) -> Self {
        let mut builder = Self {
            step: position.steps,
            now_ns: position.now_ns,
            ..Self::default()
        };
        for task in &position.tasks {
            builder.learn(task);
        }
        builder
    }

    /// For records after a jump, with the labels of all tasks of the trace. `running` is
    /// the task of the last step before.
    #[must_use]
    pub fn knowing(labels: Arc<[Arc<str>]>, step: u64, now_ns: u64, running: Option<u32>) -> Self {
        Self {
            known: Some(labels),
            step,
            now_ns,
            running,
            ..Self::default()
        }
    }

    fn learn(&mut self, task: &Task) {
        // Numbers are given in order; a forged one must not reserve memory.
        if task.id as usize == self.labels.len() && self.known.is_none() {
            self.labels.push(task.label.to_string().into());
        }
    }

    fn label(&self, task: u32) -> Arc<str> {
        let labels = self.known.as_deref().unwrap_or(&self.labels);
        let label = labels.get(task as usize).cloned();
        label.unwrap_or_else(|| format!("task {task}").into())
    }

    /// True when an event has started and may not be complete.
    #[must_use]
    pub fn has_open(&self) -> bool {
        self.open.is_some()
    }

    /// Take the next record. Returns the event before, if the record begins another one.
    pub fn add(&mut self, record: Record) -> Option<WholeEvent> {
        let occurrence = match record {
            Record::Detail(text) => return self.extend(|open| open.detail = Some(text)),
            Record::Child(child) => return self.extend(|open| open.child = Some(child)),
            Record::Cause(step) => return self.extend(|open| open.cause = Some(step)),
            Record::State(state) if !state.at_end => return self.add_state(state),
            Record::State(state) => Occurrence::State(state),
            Record::Step(step) => Occurrence::Step(step),
            Record::Task(task) => Occurrence::Task(task),
            Record::Fault(fault) => Occurrence::Fault(fault),
            Record::Panic(panic) => Occurrence::Panic(panic),
            Record::End(end) => Occurrence::End(end),
            Record::Event(event) => Occurrence::Event(event),
            Record::Live(live) => Occurrence::Live(live),
            Record::Unhandled(message) => Occurrence::Unhandled(message),
            Record::Ended(ended) => Occurrence::Ended(ended),
        };
        let next = self.begin(occurrence);
        self.open.replace(next)
    }

    fn extend(&mut self, add: impl FnOnce(&mut WholeEvent)) -> Option<WholeEvent> {
        self.open.as_mut().map(add);
        None
    }

    /// A callback finds one state, that of its own actor: others are only in forged traces.
    fn add_state(&mut self, state: State) -> Option<WholeEvent> {
        self.extend(|open| {
            if open.is_step() && open.task == Some(state.task) && open.state.is_none() {
                open.state = Some(state.text);
            }
        })
    }

    /// The event that begins with this, at the time at which it takes place.
    fn begin(&mut self, occurrence: Occurrence) -> WholeEvent {
        let (mut detail, mut cause) = (None, None);
        let mut is_about_run = false;
        let task = match &occurrence {
            Occurrence::Step(step) => {
                self.step += 1;
                self.now_ns = self.now_ns.saturating_add(step.elapsed_ns);
                self.running = Some(step.task);
                self.running
            }
            Occurrence::Task(task) => {
                self.learn(task);
                detail = task.parent.map(|parent| self.label(parent).to_string());
                Some(task.id)
            }
            Occurrence::Fault(fault) => {
                self.now_ns = self.now_ns.saturating_add(fault.elapsed_ns);
                is_about_run = fault.action.is_about_the_run();
                Some(fault.task)
            }
            Occurrence::Panic(panic) => Some(panic.task),
            Occurrence::Event(_) | Occurrence::Live(_) => self.running,
            Occurrence::State(state) => Some(state.task),
            Occurrence::Unhandled(message) => {
                cause = Some(message.sent);
                Some(message.task)
            }
            Occurrence::Ended(ended) => Some(ended.task),
            Occurrence::End(end) => {
                self.now_ns = end.now_ns;
                None
            }
        };
        let named = task.filter(|_| !is_about_run);
        WholeEvent {
            step: self.step,
            now_ns: self.now_ns,
            task,
            who: named.map_or_else(|| Arc::from(""), |task| self.label(task)),
            occurrence,
            detail,
            cause,
            child: None,
            state: None,
        }
    }

    /// The last event.
    pub fn finish(&mut self) -> Option<WholeEvent> {
        self.open.take()
    }
}

/// The whole events of records that are read one after the other.
///
/// What comes before an error is yielded before it; nothing comes after.
#[derive(Debug)]
pub struct Events<R> {
    records: R,
    builder: EventBuilder,
    error: Option<TraceError>,
    is_over: bool,
}

impl<R> Events<R> {
    /// The events of these records, the first of which come where `builder` is.
    pub fn new(records: R, builder: EventBuilder) -> Self {
        Self {
            records,
            builder,
            error: None,
            is_over: false,
        }
    }

    /// What the records are read from. It is a record ahead of the events.
    pub fn records(&self) -> &R {
        &self.records
    }
}

impl<R: Iterator<Item = Result<Record, TraceError>>> Iterator for Events<R> {
    type Item = Result<WholeEvent, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            match self.records.next() {
                Some(Ok(record)) => {
                    if let Some(event) = self.builder.add(record) {
                        return Some(Ok(event));
                    }
                }
                end => {
                    self.is_over = true;
                    self.error = end.and_then(Result::err);
                }
            }
        }
        let last = self.builder.finish().map(Ok);
        last.or_else(|| self.error.take().map(Err))
    }
}

impl TraceReader {
    /// The whole events of the trace.
    #[must_use]
    pub fn events(self) -> Events<Self> {
        Events::new(self, EventBuilder::new())
    }

    /// The whole events from the beginning of the block that has this step in it, and what
    /// comes before them.
    ///
    /// # Errors
    /// If the file cannot be read or its index is damaged.
    pub fn events_around(mut self, step: u64) -> Result<(Position, Events<Self>), TraceError> {
        let position = self.seek_to_step(step)?;
        let builder = EventBuilder::at(&position);
        Ok((position, Events::new(self, builder)))
    }
}

/// The whole events of records in memory.
pub fn events<'a>(
    records: impl IntoIterator<Item = &'a Record>,
) -> impl Iterator<Item = WholeEvent> {
    let records = records.into_iter().map(|record| Ok(record.clone()));
    // Records in memory have no errors.
    Events::new(records, EventBuilder::new()).filter_map(Result::ok)
}
