//! The events of a trace as columns of numbers, a row each. `encode` documents the bytes.

use retake_inspect::Line;
use retake_traces::event::{Occurrence, WholeEvent};
use retake_traces::record::{EventKind, State, Task, TaskKind};
use serde_json::json;

use super::encode::{Column, Numbers, encode};
use super::kind;
use super::links::{self, Link, Links, Rows};
use super::texts::{self, NONE, Texts};

/// How much a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events: steps, and what happened between them.
    pub events: usize,
    /// Bytes of different texts.
    pub text: usize,
}

impl Limits {
    /// What a browser shows without delay, and holds together with other pages.
    pub const PAGE: Self = Self {
        events: 2_000_000,
        text: 128 << 20,
    };
}

/// There is more than a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Collects the events of a trace.
#[derive(Debug)]
pub(super) struct Columns {
    limits: Limits,
    texts: Texts,
    kind: Vec<u8>,
    choice: Vec<u8>,
    message: Vec<u16>,
    task: Vec<u32>,
    elapsed_s: Vec<u32>,
    elapsed_ns: Vec<u32>,
    text: Vec<u32>,
    /// The text of what is noted on a line.
    note: Vec<u32>,
    /// How many steps before its own the step was that sent the message; 0 is unknown. One that
    /// was never handled counts from the step after the last.
    cause: Vec<u32>,
    task_label: Vec<u32>,
    task_kind: Vec<u8>,
    task_parent: Vec<u32>,
    /// The callback that found a state; none at the end of the run.
    state_row: Vec<u32>,
    state_task: Vec<u32>,
    state_text: Vec<u32>,
    /// The step up to which all is taken in.
    step: u64,
    now_ns: u64,
    first_step: u64,
    first_ns: u64,
}

impl Columns {
    /// For events after step `step`, which came at `now_ns`.
    pub(super) fn new(limits: Limits, step: u64, now_ns: u64) -> Self {
        let mut texts = Texts::default();
        texts.number("");
        Self {
            limits,
            texts,
            kind: Vec::new(),
            choice: Vec::new(),
            message: Vec::new(),
            task: Vec::new(),
            elapsed_s: Vec::new(),
            elapsed_ns: Vec::new(),
            text: Vec::new(),
            note: Vec::new(),
            cause: Vec::new(),
            task_label: Vec::new(),
            task_kind: Vec::new(),
            task_parent: Vec::new(),
            state_row: Vec::new(),
            state_task: Vec::new(),
            state_text: Vec::new(),
            step,
            now_ns,
            first_step: step,
            first_ns: now_ns,
        }
    }

    /// Know a task that came into existence before.
    pub(super) fn know(&mut self, task: &Task) {
        // Numbers are given in order; a forged one must not reserve memory.
        if task.id as usize != self.task_label.len() {
            return;
        }
        self.task_label
            .push(self.texts.number(&task.label.to_string()));
        self.task_kind.push(match task.kind {
            TaskKind::Scenario => 0,
            TaskKind::Actor => 1,
            TaskKind::Task => 2,
        });
        self.task_parent.push(task.parent.unwrap_or(NONE));
    }

    /// The state of an actor at the end of the run.
    pub(super) fn add_last_state(&mut self, state: &State) -> Result<(), Full> {
        self.state(NONE, state.task, &state.text)
    }

    /// Take the next line.
    pub(super) fn add(&mut self, line: &Line) -> Result<(), Full> {
        let event = &line.event;
        self.step = event.step;
        let (kind, text) = match &event.occurrence {
            Occurrence::Step(step) => (step.kind as u8, event.detail.clone()),
            Occurrence::Task(task) => {
                self.know(task);
                (kind::NEW_TASK, None)
            }
            Occurrence::Fault(fault) => (kind::FAULT, Some(fault.action.describe())),
            Occurrence::Panic(panic) => {
                let text = match &event.detail {
                    Some(place) => format!("at {place}: {}", panic.message),
                    None => panic.message.clone(),
                };
                (kind::PANIC, Some(text))
            }
            Occurrence::Event(it) => {
                let kind = match it.kind {
                    EventKind::Log => kind::LOG,
                    EventKind::Failed => kind::FAILED,
                    EventKind::Violated => kind::VIOLATED,
                };
                (kind, Some(it.to_string()))
            }
            Occurrence::Ended(ended) => (kind::LOG, Some(format!("ends: {}", ended.how))),
            Occurrence::Unhandled(message) => (kind::UNHANDLED, Some(message.text.clone())),
            Occurrence::Live(_) | Occurrence::State(_) => {
                let what = event.what();
                (kind::LOG, Some(what.trim_start_matches("| ").to_owned()))
            }
            Occurrence::End(end) => (kind::END, Some(end.to_string())),
        };
        self.row(kind, event, text.as_deref().unwrap_or_default())?;
        let note = line.note.as_deref().unwrap_or_default();
        self.note.push(self.texts.number(note));
        if let (Some(text), Some(task)) = (&event.state, event.task) {
            self.state(self.kind.len() as u32 - 1, task, text)?;
        }
        if self.texts.block.len() > self.limits.text {
            return Err(Full);
        }
        Ok(())
    }

    fn row(&mut self, kind: u8, event: &WholeEvent, text: &str) -> Result<(), Full> {
        if self.kind.len() >= self.limits.events {
            return Err(Full);
        }
        let elapsed_ns = event.now_ns.saturating_sub(self.now_ns);
        self.now_ns = event.now_ns;
        let (choice, message) = match event.as_step() {
            Some(step) => (step.choice as u8, step.message),
            None => (0, 0),
        };
        // What was never handled comes after the last step, which may have sent it.
        let (next, cause) = match event.is_step() {
            true => (event.step, event.cause),
            false => (
                event.step + 1,
                event.cause.filter(|_| kind == kind::UNHANDLED),
            ),
        };
        let back = cause.map_or(0, |cause| next.saturating_sub(cause));
        self.kind.push(kind);
        self.choice.push(choice);
        self.message.push(message);
        self.task.push(event.task.unwrap_or(NONE));
        self.elapsed_s.push((elapsed_ns / 1_000_000_000) as u32);
        self.elapsed_ns.push((elapsed_ns % 1_000_000_000) as u32);
        self.text.push(self.texts.number(text));
        self.cause.push(u32::try_from(back).unwrap_or_default());
        Ok(())
    }

    fn state(&mut self, row: u32, task: u32, text: &str) -> Result<(), Full> {
        if self.state_row.len() >= self.limits.events {
            return Err(Full);
        }
        self.state_row.push(row);
        self.state_task.push(task);
        let text = self.texts.number(text);
        self.state_text.push(text);
        Ok(())
    }

    /// Pass over an event that comes before what is shown.
    pub(super) fn pass(&mut self, event: &WholeEvent) {
        (self.step, self.now_ns) = (event.step, event.now_ns);
        if let Occurrence::Task(task) = &event.occurrence {
            self.know(task);
        }
        (self.first_step, self.first_ns) = (self.step, self.now_ns);
    }

    /// The last step that was taken in or passed over.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }

    /// Events taken in.
    pub(super) fn len(&self) -> usize {
        self.kind.len()
    }

    /// Everything, described by `about` and by what the columns contain. Of two traces that
    /// are compared, `partners` are the rows of the other one that are as the rows of this.
    pub(super) fn to_bytes(&self, about: &serde_json::Value, partners: Option<&[u32]>) -> Vec<u8> {
        let description = json!({
            "about": about,
            "verbs": kind::verbs(),
            "links": Link::NAMES,
            "first_step": self.first_step,
            // A browser's numbers are not exact up there.
            "first_s": self.first_ns / 1_000_000_000,
            "first_ns": self.first_ns % 1_000_000_000,
        });
        let links = self.links();
        let mut columns = self.list(&links);
        columns.extend(partners.map(|rows| ("partner", Numbers::Long(rows))));
        encode(description, &columns)
    }

    fn links(&self) -> Links {
        links::find(&Rows {
            kind: &self.kind,
            task: &self.task,
            cause: &self.cause,
            elapsed: [&self.elapsed_s, &self.elapsed_ns],
        })
    }

    /// Everything of a row that is the same in another trace where the event is the same:
    /// whose it is, what and the text.
    pub(super) fn keys(&self) -> Vec<(u64, u32)> {
        let texts: Vec<u64> = (0..self.texts.lengths.len() as u32)
            .map(|number| texts::hash(self.texts.get(number)))
            .collect();
        let text = |number: u32| texts[number as usize];
        let mut keys: Vec<(u64, u32)> = (0..self.kind.len())
            .map(|row| {
                let kind = self.kind[row];
                let label = self.task_label.get(self.task[row] as usize);
                let (who, what) = match kind {
                    // The end has one partner, whatever it says.
                    kind::END => (0, 0),
                    _ => (label.map_or(0, |label| text(*label)), text(self.text[row])),
                };
                (texts::key(who, kind, what), row as u32)
            })
            .collect();
        keys.sort_unstable();
        keys
    }

    /// The row of a step, if it is on the page.
    pub(super) fn row_of_step(&self, step: u64) -> Option<usize> {
        let index = step.checked_sub(self.first_step)?.checked_sub(1)?;
        let mut rows = (0..self.kind.len()).filter(|row| kind::is_step(self.kind[*row]));
        rows.nth(usize::try_from(index).ok()?)
    }

    /// True when the page has what comes before the first step.
    pub(super) fn is_from_start(&self) -> bool {
        self.first_step == 0
    }

    fn list<'a>(&'a self, links: &'a Links) -> Vec<Column<'a>> {
        use Numbers::{Bytes, Long, Short};
        vec![
            ("kind", Bytes(&self.kind)),
            ("choice", Bytes(&self.choice)),
            ("message", Short(&self.message)),
            ("task", Long(&self.task)),
            ("elapsed_s", Long(&self.elapsed_s)),
            ("elapsed_ns", Long(&self.elapsed_ns)),
            ("text", Long(&self.text)),
            ("note", Long(&self.note)),
            ("cause", Long(&self.cause)),
            ("link", Bytes(&links.kind)),
            ("from", Long(&links.back)),
            ("task_label", Long(&self.task_label)),
            ("task_kind", Bytes(&self.task_kind)),
            ("task_parent", Long(&self.task_parent)),
            ("state_row", Long(&self.state_row)),
            ("state_task", Long(&self.state_task)),
            ("state_text", Long(&self.state_text)),
            ("text_length", Long(&self.texts.lengths)),
            ("text_block", Bytes(self.texts.block.as_bytes())),
        ]
    }
}
