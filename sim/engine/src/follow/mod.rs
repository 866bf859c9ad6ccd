//! Following a live recording: who ran in the real process runs here, at the same time, and
//! is given the same values from outside.
//!
//! An actor of a real process may be idle while a message waits for it, since its thread has
//! other things to do, and be overtaken by something more urgent: the end of a child, or the
//! order to stop. Here nothing keeps it from taking the message at once. So where something
//! urgent is next, the callback before it is *held*: the actor learns of its return, and
//! looks into its mailbox, when the recorded one did.

mod compare;
mod next;
mod script;

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use retake_traces::record::StepKind;
use serde::Serialize;

pub(crate) use script::{Act, Mailboxes, NamedValue, Script, ScriptEnd};

use crate::outcome::Outcome;

/// What is done next in a run that follows a recording.
pub(crate) enum Next {
    /// Let tokio's time reach this, and come back.
    Advance(u64),
    /// Move virtual time to this, fire what is due, and come back.
    Move(u64),
    /// Wake this, and come back when everything that it causes has happened.
    Wake(Waker),
    /// Let the task in this slot take its step.
    Grant(u32),
    /// The run has this outcome.
    Finish(Outcome),
}

/// How much of a recording was followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FollowReport {
    /// Steps in the recording.
    pub recorded: u64,
    /// Steps that took place again as recorded.
    pub honoured: u64,
    /// The same by actor or task: steps as recorded, and steps in the recording.
    pub by_task: BTreeMap<String, (u64, u64)>,
    /// Values that the recorded process had made and that were made again, and how many there
    /// are in the recording, by name.
    pub outputs: BTreeMap<String, (u64, u64)>,
    /// The recorded process went on after the end of its recording: why that ends there.
    pub stops: Option<String>,
    /// The first step that did not take place again, and why.
    pub divergence: Option<String>,
    /// Checks that failed, as they did in the recorded process.
    pub violations: Vec<String>,
}

impl FollowReport {
    /// True if every recorded step took place again.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.divergence.is_none() && self.honoured == self.recorded
    }
}

/// Shared with the code that started the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report(Arc<Mutex<FollowReport>>);

impl Report {
    pub(crate) fn get(&self) -> MutexGuard<'_, FollowReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a run is to follow.
pub(crate) struct Plan {
    pub(crate) script: Script,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) report: Report,
    pub(crate) origin_ns: u64,
    pub(crate) unix_ns: u64,
}

/// A callback that has returned, and what ractor is not to know yet.
struct HeldCallback {
    waker: Waker,
    output: Box<dyn Any>,
    may_go: bool,
}

/// The task that starts what comes from outside.
#[derive(Default)]
struct Driver {
    slot: Option<u32>,
    inputs: VecDeque<NamedValue>,
    waker: Option<Waker>,
}

pub(crate) struct Follow {
    script: Script,
    mailboxes: Mailboxes,
    report: Report,
    /// Added to the time since the start of the recording.
    pub(crate) origin_ns: u64,
    /// And to that for the time since the Unix epoch.
    pub(crate) unix_ns: u64,
    /// The recorded step that is next, or runs.
    act: Option<Act>,
    /// It runs.
    in_act: bool,
    /// A step runs that no recording has: the driver's.
    off_script: bool,
    is_input_given: bool,
    is_woken: bool,
    /// By recorded number.
    slots: Vec<u32>,
    labels: Vec<String>,
    /// So many tasks are the recorded ones; these are not compared yet.
    compared: usize,
    expected_labels: VecDeque<String>,
    started_labels: VecDeque<String>,
    /// What each runnable task is about to do, by slot.
    arrived: BTreeMap<u32, (StepKind, u16)>,
    held: BTreeMap<u32, HeldCallback>,
    driver: Driver,
}

impl Follow {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            script: plan.script,
            mailboxes: plan.mailboxes,
            report: plan.report,
            origin_ns: plan.origin_ns,
            unix_ns: plan.unix_ns,
            act: None,
            in_act: false,
            off_script: false,
            is_input_given: false,
            is_woken: false,
            slots: Vec::new(),
            labels: Vec::new(),
            compared: 0,
            expected_labels: VecDeque::new(),
            started_labels: VecDeque::new(),
            arrived: BTreeMap::new(),
            held: BTreeMap::new(),
            driver: Driver::default(),
        }
    }

    pub(crate) fn set_driver(&mut self, slot: u32) {
        self.driver.slot = Some(slot);
        // It was counted as one that the recording has.
        if self.slots.last() == Some(&slot) {
            self.slots.pop();
            self.labels.pop();
            self.started_labels.pop_back();
        }
    }

    pub(crate) fn started(&mut self, slot: u32, label: String) {
        self.slots.push(slot);
        self.started_labels.push_back(label.clone());
        self.labels.push(label);
    }

    pub(crate) fn violated(&mut self, what: String) {
        self.report.get().violations.push(what);
    }

    /// A gate waits for its turn.
    pub(crate) fn arrived(&mut self, slot: u32, kind: StepKind, message: u16) {
        self.arrived.insert(slot, (kind, message));
    }

    pub(crate) fn next_input(&mut self, waker: &Waker) -> Option<NamedValue> {
        let input = self.driver.inputs.pop_front();
        if input.is_none() {
            self.driver.waker = Some(waker.clone());
        }
        input
    }

    pub(crate) fn hold(&mut self, slot: u32, waker: Waker, output: Box<dyn Any>) {
        let held = HeldCallback {
            waker,
            output,
            may_go: false,
        };
        self.held.insert(slot, held);
    }

    pub(crate) fn let_go(&mut self, slot: u32, waker: &Waker) -> Option<Box<dyn Any>> {
        let held = self.held.get_mut(&slot)?;
        if held.may_go {
            return self.held.remove(&slot).map(|held| held.output);
        }
        held.waker = waker.clone();
        None
    }

    /// A gate was dropped that held something, perhaps.
    pub(crate) fn forget(&mut self, slot: u32) -> Option<Box<dyn Any>> {
        self.arrived.remove(&slot);
        self.held.remove(&slot).map(|held| held.output)
    }

    fn release(&mut self, slot: u32) -> Option<Waker> {
        let held = self.held.get_mut(&slot)?;
        if std::mem::replace(&mut held.may_go, true) {
            return None;
        }
        Some(held.waker.clone())
    }

    /// The run is over: every task may continue. Returns the wakers to wake.
    pub(crate) fn release_all(&mut self) -> Vec<Waker> {
        let slots: Vec<u32> = self.held.keys().copied().collect();
        slots
            .into_iter()
            .filter_map(|slot| self.release(slot))
            .collect()
    }

    fn label(&self, task: u32) -> String {
        let label = self.labels.get(task as usize).cloned();
        label.unwrap_or_else(|| format!("task {task}"))
    }

    /// Read the next recorded step, if none is pending. False at the end.
    fn read(&mut self) -> bool {
        if self.act.is_some() {
            return true;
        }
        let Some(act) = self.script.next() else {
            return false;
        };
        self.expected_labels.extend(act.started.iter().cloned());
        self.count(&act);
        self.act = Some(act);
        self.is_input_given = false;
        self.is_woken = false;
        true
    }

    fn count(&self, act: &Act) {
        let mut report = self.report.get();
        report.recorded += 1;
        let label = self.label_of(act);
        report.by_task.entry(label).or_default().1 += 1;
        for (name, _) in &act.output {
            report.outputs.entry(name.clone()).or_default().1 += 1;
        }
    }

    /// The label as recorded: the task may be one that this step is to start.
    fn label_of(&self, act: &Act) -> String {
        let later = (act.step.task as usize).checked_sub(self.compared);
        let recorded = later.and_then(|later| self.expected_labels.get(later).cloned());
        recorded.unwrap_or_else(|| self.label(act.step.task))
    }

    /// Count what is left after a divergence.
    pub(crate) fn read_on(&mut self) {
        self.act = None;
        while self.read() {
            self.act = None;
        }
    }

    fn describe(&self, act: &Act) -> String {
        let what = describe(act.step.kind, act.step.message, act.text.as_deref());
        format!("`{}` {what}", self.label_of(act))
    }
}

fn describe(kind: StepKind, message: u16, text: Option<&str>) -> String {
    let word = kind.verb();
    match (text, kind) {
        (Some(text), _) => format!("{word} {text}"),
        (None, StepKind::Handle | StepKind::Supervision) => {
            format!("{word} a message of variant {message}")
        }
        (None, _) => word.to_owned(),
    }
}
