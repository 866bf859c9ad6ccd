//! The events of a trace as columns of numbers, which a browser takes as typed arrays.
//!
//! ```text
//! "RTKVIEW1"  length:u32  description (JSON, padded with spaces to 4 bytes)
//! the columns, in the order that the description gives, each padded to 4 bytes
//! ```
//!
//! Numbers are little-endian. Texts are kept once each, as one block of UTF-8 and the
//! column of their lengths in UTF-16 units, which is how a browser counts.

use std::hash::{DefaultHasher, Hasher as _};

use retake_inspect::Teller;
use retake_traces::counted;
use retake_traces::record::{End, EventKind, Record, State, StepKind, TaskKind};
use serde::Serialize;
use serde_json::json;

/// First bytes of the columns.
const MAGIC: &[u8; 8] = b"RTKVIEW1";
/// No task, no parent.
const NONE: u32 = u32::MAX;

/// What an event is, as a number: the parts of [`StepKind`] and what is no step.
mod kind {
    pub(super) const NEW_TASK: u8 = 7;
    pub(super) const FAULT: u8 = 8;
    pub(super) const PANIC: u8 = 9;
    pub(super) const LOG: u8 = 10;
    pub(super) const END: u8 = 11;
    pub(super) const UNHANDLED: u8 = 12;
    pub(super) const FAILED: u8 = 13;
    pub(super) const VIOLATED: u8 = 14;
}

/// The names of the kinds, by number.
const KINDS: [&str; 15] = [
    "pre_start",
    "post_start",
    "handle",
    "supervision",
    "post_stop",
    "task",
    "resume",
    "new_task",
    "fault",
    "panic",
    "log",
    "end",
    "unhandled",
    "failed",
    "violated",
];

fn step_kind(kind: StepKind) -> u8 {
    match kind {
        StepKind::PreStart => 0,
        StepKind::PostStart => 1,
        StepKind::Handle => 2,
        StepKind::Supervision => 3,
        StepKind::PostStop => 4,
        StepKind::Task => 5,
        StepKind::Resume => 6,
    }
}

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

/// Texts, each kept once.
#[derive(Debug, Default)]
struct Texts {
    block: String,
    /// Where each begins in the block, in bytes.
    starts: Vec<usize>,
    lengths: Vec<u32>,
    #[allow(
        clippy::disallowed_types,
        reason = "only looked up in: its order reaches nothing"
    )]
    known: std::collections::HashMap<u64, u32>,
}

impl Texts {
    fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let end = self.starts.get(number + 1).copied();
        &self.block[self.starts[number]..end.unwrap_or(self.block.len())]
    }

    /// The number of a text. 0 is the empty one.
    fn number(&mut self, text: &str) -> u32 {
        let mut hasher = DefaultHasher::new();
        hasher.write(text.as_bytes());
        let hash = hasher.finish();
        if let Some(number) = self.known.get(&hash)
            && self.get(*number) == text
        {
            return *number;
        }
        let number = self.starts.len() as u32;
        self.starts.push(self.block.len());
        self.lengths.push(text.encode_utf16().count() as u32);
        self.block.push_str(text);
        // Of two texts with one hash, the first is found again and the others repeat.
        self.known.entry(hash).or_insert(number);
        number
    }
}

/// Collects the records of a trace.
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
    /// Whether the last event can still get its text and its cause.
    open: bool,
    /// The message of the panic that is the last event.
    panic: Option<String>,
    /// The task of the last step.
    running: u32,
}

impl Columns {
    /// For records after step `step`, which came at `now_ns`.
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
            open: false,
            panic: None,
            running: NONE,
        }
    }

    /// Know a task that came into existence before.
    pub(super) fn know(&mut self, task: &retake_traces::record::Task) {
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

    /// Take the next record.
    pub(super) fn add(&mut self, record: &Record) -> Result<(), Full> {
        match record {
            Record::Step(step) => {
                self.step += 1;
                self.running = step.task;
                self.event(step_kind(step.kind), step.task, step.elapsed_ns)?;
                if let Some(choice) = self.choice.last_mut() {
                    *choice = step.choice as u8;
                }
                if let Some(message) = self.message.last_mut() {
                    *message = step.message;
                }
                self.open = true;
            }
            Record::Detail(text) => self.set_text(text),
            Record::Cause(step) => {
                let back = self.step.saturating_sub(*step);
                if self.open
                    && let Some(cause) = self.cause.last_mut()
                {
                    *cause = u32::try_from(back).unwrap_or_default();
                }
            }
            Record::Task(task) => {
                self.know(task);
                self.event(kind::NEW_TASK, task.id, 0)?;
            }
            Record::Fault(fault) => {
                self.event(kind::FAULT, fault.task, fault.elapsed_ns)?;
                self.told(&fault.action.describe());
            }
            Record::Panic(panic) => {
                self.event(kind::PANIC, panic.task, 0)?;
                self.told(&panic.message);
                self.panic = Some(panic.message.clone());
            }
            Record::Event(event) => {
                let kind = match event.kind {
                    EventKind::Log => kind::LOG,
                    EventKind::Failed => kind::FAILED,
                    EventKind::Violated => kind::VIOLATED,
                };
                self.event(kind, self.running, 0)?;
                self.told(&event.to_string());
            }
            Record::State(state) => self.state(state)?,
            Record::Ended(ended) => {
                self.event(kind::LOG, ended.task, 0)?;
                self.told(&format!("ends: {}", ended.how));
            }
            Record::Unhandled(message) => {
                self.event(kind::UNHANDLED, message.task, 0)?;
                self.told(&message.text);
                // It comes after the last step, which may have sent it.
                let back = (self.step + 1).saturating_sub(message.sent);
                if let Some(cause) = self.cause.last_mut() {
                    *cause = u32::try_from(back).unwrap_or_default();
                }
            }
            // The text of the step says it as well.
            Record::Child(_) => {}
            // Some parts of a live recording are for a replay alone.
            Record::Live(_) => {
                let mut teller = Teller::new();
                teller.tell(record);
                if let Some(line) = teller.finish() {
                    self.event(kind::LOG, self.running, 0)?;
                    self.told(line.what().trim_start_matches("| "));
                }
            }
            Record::End(end) => {
                self.event(kind::END, NONE, end.now_ns.saturating_sub(self.now_ns))?;
                self.told(&in_words(end));
            }
        }
        if self.texts.block.len() > self.limits.text {
            return Err(Full);
        }
        Ok(())
    }

    fn event(&mut self, kind: u8, task: u32, elapsed_ns: u64) -> Result<(), Full> {
        if self.kind.len() >= self.limits.events {
            return Err(Full);
        }
        self.open = false;
        self.panic = None;
        self.now_ns = self.now_ns.saturating_add(elapsed_ns);
        self.kind.push(kind);
        self.choice.push(0);
        self.message.push(0);
        self.task.push(task);
        self.elapsed_s.push((elapsed_ns / 1_000_000_000) as u32);
        self.elapsed_ns.push((elapsed_ns % 1_000_000_000) as u32);
        self.text.push(0);
        self.cause.push(0);
        Ok(())
    }

    fn state(&mut self, state: &State) -> Result<(), Full> {
        if self.state_row.len() >= self.limits.events {
            return Err(Full);
        }
        let last = self.kind.len().checked_sub(1).filter(|_| !state.at_end);
        self.state_row.push(last.map_or(NONE, |row| row as u32));
        self.state_task.push(state.task);
        let text = self.texts.number(&state.text);
        self.state_text.push(text);
        Ok(())
    }

    fn set_text(&mut self, text: &str) {
        if self.open {
            self.told(text);
        } else if let Some(message) = self.panic.take() {
            self.told(&format!("at {text}: {message}"));
        }
    }

    /// The text of the last event.
    fn told(&mut self, text: &str) {
        let number = self.texts.number(text);
        if let Some(last) = self.text.last_mut() {
            *last = number;
        }
    }

    /// Pass over a record that comes before what is shown.
    pub(super) fn pass(&mut self, record: &Record) {
        match record {
            Record::Step(step) => {
                self.step += 1;
                self.now_ns = self.now_ns.saturating_add(step.elapsed_ns);
            }
            Record::Fault(fault) => self.now_ns = self.now_ns.saturating_add(fault.elapsed_ns),
            Record::Task(task) => self.know(task),
            _ => {}
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

    /// Everything, described by `about` and by what the columns contain.
    pub(super) fn to_bytes(&self, about: &serde_json::Value) -> Vec<u8> {
        let columns = self.list();
        let directory: Vec<Described> = columns
            .iter()
            .map(|(name, numbers)| Described {
                name,
                width: numbers.width(),
                length: numbers.length(),
            })
            .collect();
        let description = json!({
            "about": about,
            "kinds": KINDS,
            "first_step": self.first_step,
            // A browser's numbers are not exact up there.
            "first_s": self.first_ns / 1_000_000_000,
            "first_ns": self.first_ns % 1_000_000_000,
            "columns": directory,
        })
        .to_string();
        let mut bytes = MAGIC.to_vec();
        let padded = description.len().next_multiple_of(4);
        bytes.extend((padded as u32).to_le_bytes());
        bytes.extend(description.as_bytes());
        bytes.resize(bytes.len() + padded - description.len(), b' ');
        for (_, numbers) in &columns {
            numbers.write(&mut bytes);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    fn list(&self) -> [(&'static str, Numbers<'_>); 16] {
        use Numbers::{Bytes, Long, Short};
        [
            ("kind", Bytes(&self.kind)),
            ("choice", Bytes(&self.choice)),
            ("message", Short(&self.message)),
            ("task", Long(&self.task)),
            ("elapsed_s", Long(&self.elapsed_s)),
            ("elapsed_ns", Long(&self.elapsed_ns)),
            ("text", Long(&self.text)),
            ("cause", Long(&self.cause)),
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

fn in_words(end: &End) -> String {
    let End {
        outcome,
        detail,
        steps,
        ..
    } = end;
    if detail.is_empty() {
        format!("{outcome} after {}", counted(*steps, "step"))
    } else {
        format!("{outcome} after {}: {detail}", counted(*steps, "step"))
    }
}

/// A column as the description names it.
#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    /// Bytes of a number.
    width: u8,
    length: usize,
}

enum Numbers<'a> {
    Bytes(&'a [u8]),
    Short(&'a [u16]),
    Long(&'a [u32]),
}

impl Numbers<'_> {
    fn width(&self) -> u8 {
        match self {
            Self::Bytes(_) => 1,
            Self::Short(_) => 2,
            Self::Long(_) => 4,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Bytes(numbers) => numbers.len(),
            Self::Short(numbers) => numbers.len(),
            Self::Long(numbers) => numbers.len(),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bytes(numbers) => bytes.extend_from_slice(numbers),
            Self::Short(numbers) => bytes.extend(numbers.iter().flat_map(|it| it.to_le_bytes())),
            Self::Long(numbers) => bytes.extend(numbers.iter().flat_map(|it| it.to_le_bytes())),
        }
    }
}
