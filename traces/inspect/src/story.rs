//! Lines for people: what happened, in stable names.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;

use retake_traces::clean::one_line;
use retake_traces::counted;
use retake_traces::label;
use retake_traces::live::{Live, Piece, StepEnd};
use retake_traces::reader::Position;
use retake_traces::record::{Child, Choice, Record, StepKind, Task, TaskKind};

/// One line of a story: a record of the schedule layer or a logged event, with
/// the text and the cause that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Number of the last step up to here, from 1; 0 before the first.
    pub step: u64,
    /// Virtual time in nanoseconds.
    pub now_ns: u64,
    /// Label of the task that this is about; empty when it is about the run.
    pub who: Arc<str>,
    /// The record.
    pub record: Record,
    /// The text of the message.
    pub detail: Option<String>,
    /// The step that sent the message.
    pub cause: Option<u64>,
    /// What the step of a supervisor learns of a child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub child: Option<Child>,
    /// Of a step that resumes after an await, where it is known: what ended the wait, and what
    /// the step sends. See [`mod@crate::notes`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Widths of the columns before the text.
struct Columns {
    step: usize,
    time: Time,
    who: usize,
}

/// How exactly the time is shown.
enum Time {
    /// To the nanosecond.
    Full,
    /// To the millisecond.
    Short,
    /// Not at all.
    None,
}

impl Columns {
    /// For lines of this width.
    fn of(width: usize) -> Self {
        match width {
            0 | 72.. => Self {
                step: 8,
                time: Time::Full,
                who: 22,
            },
            56.. => Self {
                step: 6,
                time: Time::Short,
                who: 14,
            },
            _ => Self {
                step: 5,
                time: Time::None,
                who: 10,
            },
        }
    }
}

impl Line {
    /// The heading above lines of at most `width` characters.
    #[must_use]
    pub fn heading(width: usize) -> String {
        let Columns { step, time, who } = Columns::of(width);
        let time = match time {
            Time::Full => format!(" {:>14}", "time (s)"),
            Time::Short => format!(" {:>9}", "time (s)"),
            Time::None => String::new(),
        };
        format!("{:>step$} {time} {:<who$} what", "step", "who")
    }

    /// As one line of at most `width` characters; 0 means no limit. Below 72 its columns are
    /// narrow, so that there is room for what happened; below 56 the time is left out.
    ///
    /// A `*` marks a step that first in, first out would not have chosen, a `+`
    /// one that ran at once.
    #[must_use]
    pub fn to_text(&self, width: usize) -> String {
        let columns = Columns::of(width);
        let (step, mark) = match &self.record {
            Record::Step(step) => (
                self.step.to_string(),
                match step.choice {
                    Choice::Fifo => ' ',
                    Choice::Deviation => '*',
                    Choice::Eager => '+',
                },
            ),
            _ => (String::new(), ' '),
        };
        let time = match columns.time {
            Time::Full => format!(" {:>14}", seconds(self.now_ns)),
            Time::Short => format!(" {:>9.3}", self.now_ns as f64 / 1e9),
            Time::None => String::new(),
        };
        let who = one_line(&self.who);
        let who = match columns.time {
            Time::Full => who,
            _ => shorten_front(&who, columns.who),
        };
        let note = self.note.as_deref().map(one_line);
        let text = format!(
            "{step:>step_width$}{mark}{time} {who:<who_width$} {}{}{}",
            self.what(),
            if note.is_some() { ", " } else { "" },
            note.unwrap_or_default(),
            step_width = columns.step,
            who_width = columns.who,
        );
        match self.cause {
            None => shorten(&text, width),
            Some(cause) => {
                let cause = format!(" <- {cause}");
                let width = if width == 0 {
                    0
                } else {
                    width.saturating_sub(cause.len()).max(1)
                };
                shorten(&text, width) + &cause
            }
        }
    }

    /// The text of what a step runs: a message has one in any case.
    fn text_of_step(&self) -> Option<Cow<'_, str>> {
        match (&self.detail, &self.record) {
            (Some(detail), _) => Some(detail.into()),
            (None, Record::Step(step)) if step.kind == StepKind::Handle => {
                Some(format!("message {}", step.message).into())
            }
            (None, _) => None,
        }
    }

    /// The message that a step handles, on one line.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let is_message =
            matches!(&self.record, Record::Step(step) if step.kind == StepKind::Handle);
        let text = self.text_of_step().filter(|_| is_message)?;
        Some(one_line(&text))
    }

    /// What happened, without when and to whom.
    #[must_use]
    pub fn what(&self) -> String {
        let text = match &self.record {
            Record::Step(step) => {
                let verb = step.kind.verb();
                match self.text_of_step() {
                    Some(text) => format!("{verb} {text}"),
                    None => verb.to_owned(),
                }
            }
            Record::Task(task) => {
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
            Record::Fault(fault) => format!("FAULT: {}", fault.action.describe()),
            Record::Panic(panic) => match &self.detail {
                Some(place) => format!("PANIC at {place}: {}", panic.message),
                None => format!("PANIC: {}", panic.message),
            },
            Record::End(end) if end.detail.is_empty() => {
                format!("END: {} after {}", end.outcome, counted(end.steps, "step"))
            }
            Record::End(end) => {
                let detail: Vec<&str> = end.detail.lines().map(str::trim).collect();
                let detail = detail.join("; ");
                let steps = counted(end.steps, "step");
                format!("END: {} after {steps}: {detail}", end.outcome)
            }
            Record::Event(event) => format!("| {event}"),
            // These belong to a step and make no line of their own.
            Record::State(state) => format!("state: {}", state.text),
            Record::Unhandled(message) => format!("never handled: {}", message.text),
            Record::Ended(ended) => format!("ENDS: {}", ended.how),
            Record::Detail(text) => text.clone(),
            Record::Child(child) => format!("child {}", child.task),
            Record::Cause(step) => format!("<- {step}"),
            Record::Live(live) => what_live(live),
        };
        one_line(&text)
    }

    /// True when the label is `name`, or an incarnation of it where `name` has no number.
    #[must_use]
    pub fn is_about(&self, name: &str) -> bool {
        let (base, incarnation) = label::parts(&self.who);
        label::is_meant(base, incarnation, name)
    }
}

/// Seconds with all nine decimals.
pub(crate) fn seconds(ns: u64) -> String {
    retake_traces::time::Seconds(ns).to_string()
}

/// At most `width` characters, of the end: labels differ there.
fn shorten_front(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let end = text.chars().skip(length - width.saturating_sub(1));
    std::iter::once('…').chain(end).collect()
}

pub(crate) fn shorten(text: &str, width: usize) -> String {
    if width == 0 || text.chars().count() <= width {
        return text.trim_end().to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Of what only live recordings have, this is worth a line.
fn has_line(live: &Live) -> bool {
    match live {
        Live::Input(piece) | Live::External(piece) | Live::Output(piece) => !piece.more,
        Live::End(StepEnd::Failed(_)) | Live::Gap(_) => true,
        Live::Start(_) | Live::Took { .. } | Live::End(_) => false,
    }
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

/// Turns records into lines; keeps the names of tasks as they appear.
#[derive(Clone, Debug, Default)]
pub struct Teller {
    labels: Vec<Arc<str>>,
    /// Labels that were known before.
    known: Option<Arc<[Arc<str>]>>,
    step: u64,
    now_ns: u64,
    /// The task of the last step.
    running: Option<u32>,
    /// May still get its text and cause.
    open: Option<Line>,
}

impl Teller {
    /// For records from the first on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For records after a jump.
    #[must_use]
    pub fn at(position: &Position) -> Self {
        let mut teller = Self {
            step: position.steps,
            now_ns: position.now_ns,
            ..Self::default()
        };
        for task in &position.tasks {
            teller.learn(task);
        }
        teller
    }

    /// For records after a jump, with the labels of all tasks of the trace. `running` is
    /// the task of the last step before.
    pub(crate) fn knowing(
        labels: Arc<[Arc<str>]>,
        step: u64,
        now_ns: u64,
        running: Option<u32>,
    ) -> Self {
        Self {
            known: Some(labels),
            step,
            now_ns,
            running,
            ..Self::default()
        }
    }

    fn learn(&mut self, task: &Task) {
        let place = task.id as usize;
        // Numbers are given in order; a forged one must not reserve memory.
        if place == self.labels.len() && self.known.is_none() {
            self.labels.push(task.label.to_string().into());
        }
    }

    /// Steps up to here.
    pub(crate) fn step(&self) -> u64 {
        self.step
    }

    /// Virtual time up to here, in nanoseconds.
    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub(crate) fn label(&self, task: u32) -> Arc<str> {
        let labels = self.known.as_deref().unwrap_or(&self.labels);
        labels
            .get(task as usize)
            .cloned()
            .unwrap_or_else(|| format!("task {task}").into())
    }

    /// Take the next record; gives the line that is complete now, if one is.
    pub fn tell(&mut self, record: &Record) -> Option<Line> {
        let mut detail = None;
        let who = match record {
            Record::Detail(text) => {
                if let Some(open) = &mut self.open {
                    open.detail = Some(text.clone());
                }
                return None;
            }
            Record::Child(child) => {
                if let Some(open) = &mut self.open {
                    open.child = Some(*child);
                }
                return None;
            }
            Record::Cause(step) => {
                if let Some(open) = &mut self.open {
                    open.cause = Some(*step);
                }
                return None;
            }
            Record::State(_) => return None,
            Record::Unhandled(message) => self.label(message.task),
            Record::Ended(ended) => self.label(ended.task),
            Record::Step(step) => {
                self.step += 1;
                self.now_ns = self.now_ns.saturating_add(step.elapsed_ns);
                self.running = Some(step.task);
                self.label(step.task)
            }
            Record::Task(task) => {
                self.learn(task);
                detail = task.parent.map(|parent| self.label(parent).to_string());
                self.label(task.id)
            }
            Record::Fault(fault) => {
                self.now_ns = self.now_ns.saturating_add(fault.elapsed_ns);
                if fault.action.is_about_the_run() {
                    Arc::from("")
                } else {
                    self.label(fault.task)
                }
            }
            Record::Panic(panic) => self.label(panic.task),
            Record::Live(live) if !has_line(live) => return None,
            Record::Live(_) | Record::Event(_) => self
                .running
                .map_or_else(|| Arc::from(""), |task| self.label(task)),
            Record::End(end) => {
                self.now_ns = end.now_ns;
                Arc::from("")
            }
        };
        let line = Line {
            step: self.step,
            now_ns: self.now_ns,
            who,
            record: record.clone(),
            detail,
            cause: match record {
                Record::Unhandled(message) => Some(message.sent),
                _ => None,
            },
            child: None,
            note: None,
        };
        self.open.replace(line)
    }

    /// The last line.
    pub fn finish(&mut self) -> Option<Line> {
        self.open.take()
    }
}

/// The lines of these records.
pub fn lines<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Line> {
    let mut teller = Teller::new();
    let mut lines: Vec<Line> = records
        .into_iter()
        .filter_map(|record| teller.tell(record))
        .collect();
    lines.extend(teller.finish());
    lines
}
